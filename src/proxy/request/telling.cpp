#include <algorithm>
#include <array>

#include <spillway/base/json_text.hpp>
#include <spillway/core/identity.hpp>
#include <spillway/http/target.hpp>

#include "telling.hpp"

// What of a request may be written down.
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

// Whether a name from outside is to be kept out of logs. `ask_keys`: also when it is the short key of some client.
bool may_be_secret(const setting& at, std::string_view name, bool ask_keys) {
    if (core::looks_like_key(name)) return true;
    constexpr std::size_t shortest = 8;
    if (!ask_keys || name.size() < shortest) return false;
    return at.config().keys.find(at.worker.sha256(name), wall_clock::now()).state != core::key_state::unknown;
}

// The path as it was asked for, bounded, without segments that may be keys.
void append_path(const setting& at, std::string_view path, std::string& out) {
    // No path of the API has more segments than that.
    std::size_t left = longest_path, segments = 8;
    for (std::string_view rest = path; !rest.empty() && left > 0;) {
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
        if (may_be_secret(at, name.value_or(raw), true)) {
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

}  // namespace

std::string_view deployment_told(const setting& at, std::string_view name, std::optional<std::size_t> route) {
    if (route && at.config().router.rules()[*route].deployment == name) return name;
    return may_be_secret(at, name, !route) ? withheld : name;
}

void append_asked(const setting& at, const request& asked, std::string& out) {
    if (!asked.has_memory()) return;
    const auto& head = asked.head();
    const auto text = [&out](std::string_view name, std::string_view value) {
        if (!value.empty()) text::append_json_member(out, name, value);
    };
    text("method", head.method.substr(0, 16));
    if (!asked.path.empty()) {
        out += ",\"path\":\"";
        append_path(at, asked.path, out);
        out += '"';
    }
    text("api_version", plain_version(http::find_param(asked.query, "api-version").value_or("")));
    const auto agent = head.fields.value(http::field_id::user_agent);
    if (!may_be_secret(at, agent, false)) text("user_agent", agent.substr(0, longest_agent));
}

}  // namespace spillway::proxy
