# shellcheck shell=bash
# The suites of ./test: one function each, plus how results are counted. Sourced after lib.sh, never run.

SUITES=(unit lint integration sdk services asan tsan fuzz)
QUICK_SUITES=(unit integration)
LONG_SUITES=(trials)  # by name only
LINES=() FAILED=() FAILED_TESTS=() PASSED_SUM=0 FAILED_SUM=0 SKIPPED_SUM=0
VENV=build/venv
FUZZ_SECONDS=${FUZZ_SECONDS:-6}

suite_title() {
    case $1 in
        unit) echo "unit tests of every layer" ;;
        lint) echo "format, clang-tidy, layers, sizes, includes, co_await temporaries" ;;
        integration) echo "the real gateway against the simulator, over TLS" ;;
        sdk) echo "the OpenAI SDKs for Python and Node, unmodified" ;;
        services) echo "with a real Redis, PostgreSQL, Prometheus and Chromium" ;;
        asan) echo "unit and integration tests with AddressSanitizer and UBSan" ;;
        tsan) echo "multi-core tests with ThreadSanitizer" ;;
        fuzz) echo "each fuzz target for $FUZZ_SECONDS s on its kept corpus" ;;
        trials) echo "attacks that have failed, with their full counts (minutes; not part of a run without options)" ;;
    esac
}

suite_packages() {
    case $1 in
        unit | asan | tsan) echo "${BUILD_PACKAGES[@]}" libgtest-dev ;;&
        asan | tsan | integration | sdk | services | trials) echo "${BUILD_PACKAGES[@]}" libgtest-dev python3 python3-venv ca-certificates openssl ;;
        lint) echo "${BUILD_PACKAGES[@]}" libgtest-dev python3 clang-format-14 clang-tidy-14 ;;
        fuzz) echo "${BUILD_PACKAGES[@]}" clang-14 libclang-rt-14-dev ;;
    esac
    [ "$1" != sdk ] || echo node=nodejs npm=npm
    case $1 in
        unit | asan | tsan) echo redis-server ;;
        services) echo redis-server postgresql prometheus chromium chromium-driver ;;
    esac
}

# record NAME PASSED FAILED SKIPPED SECONDS: a part that ran no test has failed.
record() {
    local name=$1 passed=$2 failed=$3 skipped=$4 seconds=$5 verdict=ok
    [ $((passed + failed)) -gt 0 ] || { failed=1 verdict='FAILED: no test ran'; }
    [ "$failed" -eq 0 ] || [ "$verdict" != ok ] || verdict=FAILED
    [ "$verdict" = ok ] || FAILED+=("$name")
    PASSED_SUM=$((PASSED_SUM + passed)) FAILED_SUM=$((FAILED_SUM + failed)) SKIPPED_SUM=$((SKIPPED_SUM + skipped))
    LINES+=("$(printf '%-22s %7d %7d %8d %7ss   %s' "$name" "$passed" "$failed" "$skipped" "$seconds" "$verdict")")
    note "$name: $passed passed, $failed failed$([ "$skipped" = 0 ] || echo ", $skipped skipped") ($seconds s)"
}

# record_junit NAME FILE EXIT-CODE START LOG: counts what a JUnit file says; shows the log when something failed.
record_junit() {
    local name=$1 file=$2 code=$3 start=$4 log=$5 head tests=0 bad=0 skipped=0 attribute value
    head=$(grep -m 1 -A 12 '<testsuite ' "$file" 2>/dev/null | tr '\n\t' '  ' | sed 's/.*<testsuite \([^>]*\)>.*/\1/')
    for attribute in tests failures errors skipped disabled; do
        value=$(sed -n "s/.*\b$attribute=\"\([0-9]*\)\".*/\1/p" <<<" $head")
        case $attribute in
            tests) tests=${value:-0} ;;
            failures | errors) bad=$((bad + ${value:-0})) ;;
            *) skipped=$((skipped + ${value:-0})) ;;
        esac
    done
    [ "$code" -eq 0 ] || [ "$bad" -gt 0 ] || [ "$tests" -eq 0 ] || bad=1
    [ "$code" -eq 0 ] && [ "$bad" -eq 0 ] || { tail -n 80 "$log" >&2; note_failed_tests "$name" "$log"; }
    local passed=$((tests - bad - skipped))
    record "$name" $((passed > 0 ? passed : 0)) "$bad" "$skipped" $((SECONDS - start))
}

# Their names stand below the table at the very end: a reader of the last lines knows what to run again. pytest, ctest
# and GoogleTest each have a way of their own to list them.
note_failed_tests() {
    local name
    while IFS= read -r name; do
        FAILED_TESTS+=("$1: $name")
    done < <(sed -nE 's/^(FAILED|ERROR) ([^ ]+::[^ ]+).*/\2/p; s/^[[:space:]]+[0-9]+ - (.+) \((Failed|Timeout|SEGFAULT|Subprocess.*)\)$/\1/p; s/^\[  FAILED  \] ([^ ]+)$/\1/p' "$2" | sort -u | head -n 20)
}

# check NAME COMMAND...: a command that counts as one test.
check() {
    local name=$1 start=$SECONDS log=$LOGS/$1.log
    shift
    if "$@" >"$log" 2>&1 </dev/null; then
        record "$name" 1 0 0 $((SECONDS - start))
    else
        tail -n 40 "$log" >&2
        record "$name" 0 1 0 $((SECONDS - start))
    fi
}

build_or_record() {
    build "${@:2}" || { record "$1" 0 1 0 0; return 1; }
}

run_ctest() {
    local name=$1 preset=$2 start=$SECONDS log=$LOGS/$1.log code=0
    shift 2
    rm -f "$LOGS/$name.xml"
    "${WRAP[@]}" ctest --test-dir "build/$preset" -j "$(nproc)" --timeout 300 --output-on-failure --no-tests=error \
        --output-junit "$PWD/$LOGS/$name.xml" "$@" >"$log" 2>&1 </dev/null || code=$?
    ! sanitizer_found "$name" || code=1
    record_junit "$name" "$LOGS/$name.xml" "$code" "$start" "$log"
    sanitizer_reports "$name"
}

# run_gtests NAME PRESET: every test of a layer in one process, several layers side by side. Under a sanitizer the start
# of a process costs more than most tests.
run_gtests() {
    local name=$1 preset=$2 start=$SECONDS log=$LOGS/$1.log xml=$LOGS/$1.d code=0 passed=0 failed=0 skipped=0 file
    rm -rf "$xml" && mkdir -p "$xml"
    # The longest go first, and the longest of all in four parts.
    find "build/$preset/tests" -maxdepth 1 -name '*_tests' -type f -executable -printf '%f\n' |
        awk '/^core/ { for (i = 0; i < 4; ++i) print 0, $0, i, 4; next }
             { print (/^(quota|sim|net|ledger|tokens)/ ? 1 : 2), $0, 0, 1 }' | sort | cut -d' ' -f2- |
        "${WRAP[@]}" xargs -P "$(nproc)" -L 1 bash -c '
            export GTEST_SHARD_INDEX=$4 GTEST_TOTAL_SHARDS=$5
            timeout 900 "build/$1/tests/$3" --gtest_brief=1 --gtest_output="xml:$2/$3.$4.xml" >"$2/$3.$4.log" 2>&1 </dev/null ||
                { echo "[  FAILED  ] $3:$?"; exit 1; }' gtests "$preset" "$xml" >"$log" 2>&1 || code=1
    for file in "$xml"/*.log; do cat "$file" >>"$log"; done
    for file in "$xml"/*.xml; do
        [ -e "$file" ] || continue
        failed=$((failed + $(grep -c '<failure' "$file" || true) ))
        skipped=$((skipped + $(grep -cE 'result="(skipped|suppressed)"' "$file" || true)))
        passed=$((passed + $(grep -c '<testcase ' "$file" || true)))
    done
    passed=$((passed - skipped - failed))
    ! sanitizer_found "$name" || code=1
    [ "$code" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
    [ "$failed" -eq 0 ] || { grep -vE '^\[ *(RUN|OK|----)' "$log" | tail -n 80 >&2; note_failed_tests "$name" "$log"; }
    record "$name" $((passed > 0 ? passed : 0)) "$failed" "$skipped" $((SECONDS - start))
    sanitizer_reports "$name"
}

# Most tests wait for processes and sockets most of the time.
SIDE_BY_SIDE=$(($(nproc) * 2))
[ "$SIDE_BY_SIDE" -le 8 ] || SIDE_BY_SIDE=8

# run_pytest_all NAME PRESET FOLDER: side by side, but alone those that say something about speed or memory.
run_pytest_all() {
    run_pytest "$1" "$2" "$2" "$3" -n "$SIDE_BY_SIDE" -m 'not native_only'
    run_pytest "$1-alone" "$2" "$2" "$3" -m native_only
}

# run_pytest NAME PRESET-OF-THE-GATEWAY PRESET-OF-THE-SIMULATOR ARGUMENT...
run_pytest() {
    local name=$1 gateway=$2 simulator=$3 start=$SECONDS log=$LOGS/$1.log code=0
    shift 3
    rm -f "$LOGS/$name.xml"
    (
        cd tests &&
            SPILLWAY_BIN=$ROOT/build/$gateway/spillway SPILLWAY_SIM_BIN=$ROOT/build/$simulator/spillway-sim \
                SPILLWAY_PRESET=$gateway PYTHONDONTWRITEBYTECODE=1 \
                "${WRAP[@]}" "$ROOT/$VENV/bin/python" -m pytest -q --junitxml="$ROOT/$LOGS/$name.xml" "$@"
    ) >"$log" 2>&1 </dev/null || code=$?
    ! sanitizer_found "$name" || code=1
    record_junit "$name" "$LOGS/$name.xml" "$code" "$start" "$log"
    sanitizer_reports "$name"
}

# What the sanitizers found goes to files, so that no test can swallow it; any such file is a failure.
WRAP=(env)
wrap_sanitizer() {
    local name=$1 common
    rm -f "$LOGS/$name".report.*
    common="log_path=$ROOT/$LOGS/$name.report"
    WRAP=(env "ASAN_OPTIONS=$common:detect_stack_use_after_return=1" "UBSAN_OPTIONS=$common:print_stacktrace=1"
        "TSAN_OPTIONS=$common:second_deadlock_stack=1")
    # GCC 12's ThreadSanitizer cannot live with addresses as random as newer kernels make them.
    ! setarch "$(uname -m)" -R true 2>/dev/null || WRAP=(setarch "$(uname -m)" -R "${WRAP[@]}")
}
sanitizer_found() { [ -n "$(find "$LOGS" -name "$1.report.*" -size +0 -print -quit)" ]; }

# Shown last, under the failed tests: an excerpt of the end of the log then holds the cause.
sanitizer_reports() {
    local report
    for report in "$LOGS/$1".report.*; do
        [ -s "$report" ] || continue
        printf '\nsanitizer report %s:\n' "$report" >&2
        head -n 40 "$report" >&2
        grep '^SUMMARY' "$report" | sort | uniq -c >&2
        return 0
    done
}

prepare_python() {
    local wanted
    wanted=$(sha256sum tests/requirements.txt)
    [ "$(cat "$VENV/.installed" 2>/dev/null)" != "$wanted" ] || return 0
    say "Installing the tests' Python packages into $VENV"
    rm -rf "$VENV"
    { /usr/bin/python3 -m venv "$VENV" &&
        "$VENV/bin/pip" install -q --disable-pip-version-check --no-deps -r tests/requirements.txt; } \
        >"$LOGS/pip.log" 2>&1 </dev/null || { tail -n 15 "$LOGS/pip.log" >&2; die "pip could not install them."; }
    printf '%s\n' "$wanted" >"$VENV/.installed"
}

prepare_node() {
    local folder=tests/sdk/node
    [ ! "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ] || return 0
    say "Installing the OpenAI SDK for Node into $folder/node_modules"
    npm --prefix "$folder" ci --no-audit --no-fund >"$LOGS/npm.log" 2>&1 </dev/null ||
        { tail -n 15 "$LOGS/npm.log" >&2; die "npm could not install it."; }
    touch "$folder/node_modules/.package-lock.json"
}

build_release() {
    configure release -DSPILLWAY_TESTS=ON -DSPILLWAY_BENCH=ON
    build_or_record "$1" release all
}

suite_unit() {
    build_release unit || return 0
    run_ctest unit release -LE lint
}

suite_lint() {
    configure lint
    configure release -DSPILLWAY_TESTS=ON -DSPILLWAY_BENCH=ON
    run_ctest lint-layers lint -L lint
    check lint-format scripts/check-format
    check lint-tidy scripts/check-tidy build/lint "$(nproc)" build/release
}

suite_integration() {
    build_release integration || return 0
    prepare_python
    run_pytest_all integration release integration
}

suite_sdk() {
    build_release sdk || return 0
    prepare_python
    prepare_node
    run_pytest sdk release release sdk
}

suite_services() {
    build_release services || return 0
    prepare_python
    run_pytest_all services release services
}

suite_trials() {
    build_release trials || return 0
    prepare_python
    run_pytest trials release release trials -n "$SIDE_BY_SIDE"
}

suite_asan() {
    configure asan
    build_or_record asan asan all || return 0
    prepare_python
    wrap_sanitizer asan-unit
    run_gtests asan-unit asan
    wrap_sanitizer asan-integration
    run_pytest asan-integration asan asan integration -n "$SIDE_BY_SIDE" -m 'not native_only'
    WRAP=(env)
}

# The layers whose tests start threads, and the gateway; the simulator beside it need not be slowed down.
suite_tsan() {
    local layers=() layer targets=(spillway)
    for layer in net stats quota ledger trace proxy server; do
        [ ! -d "tests/unit/$layer" ] || { layers+=("$layer") targets+=("${layer}_tests"); }
    done
    wrap_sanitizer tsan-unit
    configure tsan
    build_or_record tsan tsan "${targets[@]}" || return 0
    build_release tsan || return 0
    prepare_python
    run_ctest tsan-unit tsan -R "^($(IFS='|'; echo "${layers[*]}"))\\."
    wrap_sanitizer tsan-integration
    run_pytest tsan-integration tsan release integration -m 'multicore and not native_only'
    WRAP=(env)
}

# One on each core at a time; what each of them found is told when all are done.
suite_fuzz() {
    local targets=() target name
    configure fuzz
    build_or_record fuzz fuzz fuzzers || return 0
    for target in build/fuzz/fuzzers/*_fuzz; do
        [ ! -x "$target" ] || targets+=("$(basename "$target" _fuzz)")
    done
    [ ${#targets[@]} -gt 0 ] || { record fuzz 0 0 0 0; return 0; }
    rm -f "$LOGS"/fuzz-*.code
    # shellcheck disable=SC2016  # $1 and so on are those of the inner shell
    printf '%s\0' "${targets[@]}" | xargs -0 -P "$(nproc)" -I '{}' bash -c '
        scripts/fuzz-once "build/fuzz/fuzzers/$1_fuzz" "tests/fuzz/corpus/$1" "$2" >"$3/fuzz-$1.log" 2>&1 </dev/null
        echo $? >"$3/fuzz-$1.code"' fuzz '{}' "$FUZZ_SECONDS" "$LOGS" || true
    for name in "${targets[@]}"; do
        if [ "$(cat "$LOGS/fuzz-$name.code" 2>/dev/null)" = 0 ]; then
            record "fuzz-$name" 1 0 0 "$FUZZ_SECONDS"
        else
            tail -n 40 "$LOGS/fuzz-$name.log" >&2 || true
            record "fuzz-$name" 0 1 0 "$FUZZ_SECONDS"
        fi
    done
}
