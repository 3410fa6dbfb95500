#include <algorithm>
#include <array>

#include <spillway/core/identity.hpp>
#include <spillway/http/target.hpp>
#include <spillway/proxy/exchange.hpp>

// What was asked for: the path as it is understood, and as it may be written down.
namespace spillway::proxy {
namespace {

constexpr std::string_view withheld = "(looks like a key)";
constexpr std::size_t longest_path = 200, longest_agent = 120;

// The version of the API, when it is one: people paste keys in the strangest places.
std::string_view plain_version(std::string_view s) noexcept {
    const bool dated = s.size() >= 10 && s.size() <= 24 && s.starts_with("20") && s[4] == '-' && s[7] == '-' &&
                       s.find_first_not_of("0123456789-abcdefghijklmnopqrstuvwxyz") == std::string_view::npos;
    return s.empty() || dated || s == "preview" || s == "latest" || s == "v1" ? s : std::string_view("?");
}

}  // namespace

exchange::maybe_fault exchange::read_path(std::string_view path) {
    path_ = http::trim_slashes(path);
    api_path_ = path_;
    const auto& base = session_.from().base_path;
    if (!base.empty() && path_.starts_with(base) && path_.size() > base.size() && path_[base.size()] == '/')
        api_path_ = http::trim_slashes(path_.substr(base.size()));
    // Whoever escapes nothing, which is nearly everybody, has no escaped slash in a name.
    const bool escapes = api_path_.find('%') != std::string_view::npos;
    const auto e = http::check_path(api_path_, escapes ? core::name_in_path(api_path_) : std::string_view{});
    if (e == http::path_error::none) return std::nullopt;
    return bad_request("The path is ambiguous: " + std::string(http::describe(e)));
}

// No field of such a head is believed, not even its request id.
void exchange::refuse_head(fault why) {
    if (why.status == 431 || why.status == 414) worker_.stats().limits.at({worker_.label("head")}).add();
    refusal_ = std::move(why);
    wipe_client_secrets();
    make_request_id();
    note_start_line();
}

// What the log can tell of a head that could not be read: method and path, as far as they are there.
void exchange::note_start_line() {
    auto line = session_.input().view();
    while (line.starts_with("\r\n")) line.remove_prefix(2);
    line = line.substr(0, line.find_first_of("\r\n"));
    const auto blank = line.find(' ');
    const auto method = line.substr(0, blank);
    constexpr std::size_t longest = 16;
    const bool is_word = !method.empty() && method.size() <= longest &&
                         std::all_of(method.begin(), method.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    scratch_->request.method = is_word ? method : std::string_view{};
    path_ = {};
    if (!is_word || blank == std::string_view::npos) return;
    head_request_ = method == "HEAD";
    const auto target = line.substr(blank + 1);
    if (target.starts_with('/')) path_ = http::split_target(target.substr(0, target.find(' '))).path;
}

// Whether a name from outside is to be kept out of logs. `ask_keys`: also when it is the short key of some client.
bool exchange::may_be_secret(std::string_view name, bool ask_keys) const {
    if (core::looks_like_key(name)) return true;
    constexpr std::size_t shortest = 8;
    if (!ask_keys || name.size() < shortest) return false;
    return snapshot_->shared->keys.find(worker_.sha256(name), wall_clock::now()).state != core::key_state::unknown;
}

// The name that the client used, as far as it may be written down. What a route spells out is a name.
std::string_view exchange::deployment_told() const {
    const auto& shared = *snapshot_->shared;
    if (route_ && shared.router.rules()[*route_].deployment == deployment_) return deployment_;
    if (may_be_secret(deployment_, !route_)) return withheld;
    return deployment_;
}

// The path as it was asked for, bounded, without segments that may be keys.
void exchange::append_path(std::string& out) const {
    // No path of the API has more segments than that.
    std::size_t left = longest_path, segments = 8;
    for (std::string_view rest = path_; !rest.empty() && left > 0;) {
        if (segments-- == 0) {
            out += "/...";
            return;
        }
        const auto next = std::min(rest.find('/', 1), rest.size());
        auto piece = rest.substr(0, next);
        rest.remove_prefix(next);
        std::array<char, 256> memory;
        const auto raw = piece.substr(1);
        const auto name = raw.size() <= memory.size() ? http::decode_segment(raw, memory) : std::nullopt;
        if (may_be_secret(name.value_or(raw), true)) {
            out += '/';
            out += withheld;
            left -= std::min(left, withheld.size() + 1);
            continue;
        }
        const bool cut = piece.size() > left;
        if (cut) piece = piece.substr(0, left);
        text::append_json_escaped(out, piece);
        if (cut) out += "...";
        left -= piece.size();
    }
}

// What a refused request wanted: nothing else of the line tells it when no operation was found.
void exchange::append_asked(std::string& out) const {
    if (!scratch_) return;
    const auto& head = scratch_->request;
    const auto text = [&out](std::string_view name, std::string_view value) {
        if (value.empty()) return;
        out.append(",\"").append(name).append("\":\"");
        text::append_json_escaped(out, value);
        out += '"';
    };
    text("method", head.method.substr(0, 16));
    if (!path_.empty()) {
        out += ",\"path\":\"";
        append_path(out);
        out += '"';
    }
    text("api_version", plain_version(http::find_param(query_, "api-version").value_or("")));
    const auto agent = head.fields.value(http::field_id::user_agent);
    if (!may_be_secret(agent, false)) text("user_agent", agent.substr(0, longest_agent));
}

}  // namespace spillway::proxy
