# shellcheck shell=bash
# Shared by ./demo and ./test: how they talk, install Debian packages and build. Sourced, never run.
# Expects to be started in the root of the checkout.

LOGS=build/logs

say() { printf '==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
die() {
    printf '\nerror: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
    exit 1
}

# As many compilers at once as there are cores, but none without 1.5 GiB of its own: the rest would only swap.
jobs_at_once() {
    local cores kib
    cores=$(nproc)
    kib=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
    kib=$((kib / 1572864))
    [ "$kib" -ge 1 ] || kib=1
    echo $((cores < kib ? cores : kib))
}

prepare_build_folder() {
    mkdir -p "$LOGS" 2>/dev/null && [ -w build ] && [ -w "$LOGS" ] ||
        die "the folder build/ cannot be written: it belongs to $(stat -c %U build 2>/dev/null || echo somebody else)." \
            "Run the command as that user, or remove the folder."
}

# Runs a command as root: directly, or through sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# missing_packages WANT...: prints those that are not installed. A WANT is a Debian package, or command=package for a
# tool that may as well have come from elsewhere.
missing_packages() {
    local want plain=() installed
    for want in "$@"; do
        case $want in
            *=*) command -v "${want%%=*}" >/dev/null || echo "${want#*=}" ;;
            *) plain+=("$want") ;;
        esac
    done
    [ ${#plain[@]} -gt 0 ] || return 0
    # dpkg-query fails when it does not know one of the names: that is an answer, too.
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${plain[@]}" 2>/dev/null | sed -n 's/^installed //p') || true
    for want in "${plain[@]}"; do
        grep -qxF "$want" <<<"$installed" || echo "$want"
    done
}

# need_packages PURPOSE WANT...: installs what is missing and nothing else.
need_packages() {
    local purpose=$1 missing start=$SECONDS
    shift
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
        die "this script installs its tools with apt and was made for Debian 12." \
            "Elsewhere, build with CMake as CONTRIBUTING.md says."
    mapfile -t missing < <(missing_packages "$@" | sort -u)
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        die "packages are missing for $purpose, only root can install them, and there is no sudo. Run as root:" \
            "apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    fi
    say "Installing ${#missing[@]} Debian packages for $purpose: ${missing[*]}"
    apt_get update || die "apt-get update failed; the end of its output stands above."
    apt_get install -y --no-install-recommends "${missing[@]}" ||
        die "apt-get could not install them; the end of its output stands above."
    note "done in $((SECONDS - start)) s"
}

apt_get() {
    local log=$LOGS/apt.log
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1 </dev/null ||
        { tail -n 15 "$log" >&2; return 1; }
}

BUILD_PACKAGES=(
    g++ cmake ninja=ninja-build ccache
    libboost1.81-dev libssl-dev nlohmann-json3-dev libspdlog-dev libyaml-cpp-dev prometheus-cpp-dev libcli11-dev libcjose-dev
    libsqlite3-dev libpq-dev libhiredis-dev libc-ares-dev libpcre2-dev zlib1g-dev libzstd-dev
)

# configure PRESET [CMAKE-OPTION...]: when there is nothing yet, when the options differ from the last time, and when
# packages came or went since: what CMake did not find then, such as Python for the lints, may be there now.
configure() {
    local preset=$1 stamp=build/$1/.options log=$LOGS/configure-$1.log
    shift
    [ -e "build/$preset/build.ninja" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$*" ] &&
        [ "$stamp" -nt /var/lib/dpkg/status ] && return 0
    cmake --preset "$preset" "$@" >"$log" 2>&1 </dev/null ||
        { tail -n 30 "$log" >&2; die "cmake could not configure build/$preset; the whole output is in $log."; }
    printf '%s\n' "$*" >"$stamp"
}

# progress LOG SECONDS-SINCE-START: how far Ninja is by its log, and how long the rest will take at this pace.
progress() {
    local done all left
    IFS=/ read -r done all < <(grep -aoE '^\[[0-9]+/[0-9]+\]' "$1" | tail -n 1 | tr -d '[]')
    [ "${done:-0}" -gt 0 ] || { printf 'compiling ...'; return; }
    left=$(($2 * (all - done) / done))
    if [ "$left" -ge 90 ]; then left="$(((left + 30) / 60)) min"; else left="$left s"; fi
    printf 'compiling %d %% (%d of %d), about %s left' $((100 * done / all)) "$done" "$all" "$left"
}

# build PRESET TARGET...: says how far it is, on a terminal in place, in a log every 20 seconds; shows the compiler's
# words only when it fails.
build() {
    local preset=$1 log=$LOGS/build-$1.log start=$SECONDS told=$SECONDS pid every=20
    shift
    [ ! -t 1 ] || every=1
    cmake --build "build/$preset" -j "$(jobs_at_once)" --target "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        [ $((SECONDS - told)) -ge "$every" ] || continue
        told=$SECONDS
        if [ -t 1 ]; then
            printf '\r    %s\033[K' "$(progress "$log" $((SECONDS - start)))"
        else
            note "$(progress "$log" $((SECONDS - start)))"
        fi
    done
    [ ! -t 1 ] || printf '\r\033[K'
    if ! wait "$pid"; then
        grep -aE -m 1 -A 25 'FAILED|error:' "$log" >&2 || tail -n 30 "$log" >&2
        printf '\nerror: build/%s did not compile; the whole output is in %s.\n' "$preset" "$log" >&2
        return 1
    fi
    [ $((SECONDS - start)) -lt 5 ] || note "built build/$preset in $((SECONDS - start)) s"
}
