#include <spillway/core/error_words.hpp>

#include <algorithm>
#include <array>
#include <span>

#include <spillway/base/text.hpp>
#include <spillway/core/told_time.hpp>
#include <spillway/http/json_scan.hpp>

namespace spillway::core {
namespace {

constexpr std::size_t longest_code = 128;

// Codes without case, '_' and '-': `RateLimitReached` and `rate_limit_reached` are one.
constexpr std::string_view throttled_codes[] = {
    "ratelimitexceeded", "ratelimitreached", "ratelimiterror", "toomanyrequests",         "toomanypendingrequest",
    "insufficientquota", "quotaexceeded",    "nocapacity",     "billinghardlimitreached", "billingnotactive"};
constexpr std::string_view server_codes[] = {"servererror",        "internalerror",    "internalservererror",
                                             "serverisoverloaded", "overloadederror",  "overloaded",
                                             "modeloverloaded",    "engineoverloaded", "modelnotready",
                                             "serviceunavailable", "slowdown",         "invalidapikey"};
constexpr std::string_view timeout_codes[] = {"timeout", "requesttimeout", "gatewaytimeout", "vectorstoretimeout"};
constexpr std::string_view client_codes[] = {"contextlengthexceeded",
                                             "contentfilter",
                                             "contentpolicyviolation",
                                             "responsibleaipolicyviolation",
                                             "cyberpolicyviolation",
                                             "biopolicy",
                                             "modelerror",
                                             "badrequest",
                                             "operationnotsupported",
                                             "previousresponsenotfound",
                                             "unknownparameter",
                                             "missingrequiredparameter",
                                             "emptyimagefile",
                                             "failedtodownloadimage",
                                             "requesttoolarge",
                                             "tokenlimitexceeded",
                                             "maxtokensexceeded"};
// Families of such codes: invalid_prompt, invalid_image_url, unsupported_value, image_too_large ...
constexpr std::string_view client_prefixes[] = {"invalid", "unsupported", "image", "string"};
constexpr std::string_view credential_codes[] = {"401",
                                                 "unauthorized",
                                                 "permissiondenied",
                                                 "invalidapikey",
                                                 "authorizationfailed",
                                                 "authenticationfailed",
                                                 "authenticationerror",
                                                 "authenticationtypedisabled",
                                                 "invalidauthenticationtoken",
                                                 "expiredauthenticationtoken",
                                                 "insufficientclaims"};

bool is_one_of(std::string_view word, std::span<const std::string_view> list) noexcept {
    return std::find(list.begin(), list.end(), word) != list.end();
}

class plain_word {
public:
    explicit plain_word(std::string_view code) noexcept {
        for (const char c : code) {
            if (c == '_' || c == '-' || c == ' ') continue;
            if (size_ == bytes_.size()) break;
            bytes_[size_++] = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        }
    }
    std::string_view view() const noexcept { return {bytes_.data(), size_}; }

private:
    std::array<char, longest_code> bytes_{};
    std::size_t size_{0};
};

// A string, or a number as spelled.
std::string word_of(const http::json_member& m) {
    if (m.kind == http::json_kind::number) return std::string(m.raw.substr(0, longest_code));
    std::array<char, longest_code * 2> memory;
    if (m.kind != http::json_kind::string || m.raw.size() > memory.size()) return {};
    const auto decoded = http::decode_json_string(m.raw, memory);
    return decoded ? std::string(decoded->substr(0, longest_code)) : std::string();
}

int status_in(std::string_view word) noexcept {
    const auto n = word.size() == 3 ? text::parse_unsigned(word) : std::nullopt;
    return n && *n >= 400 && *n <= 599 ? static_cast<int>(*n) : 0;
}

// 0: the code says nothing that is known.
int status_of_code(std::string_view code) noexcept {
    const plain_word word(code);
    const auto w = word.view();
    if (w.empty()) return 0;
    if (is_one_of(w, throttled_codes)) return 429;
    if (is_one_of(w, timeout_codes)) return 504;
    if (is_one_of(w, server_codes)) return 500;
    if (is_one_of(w, client_codes)) return 400;
    for (const auto prefix : client_prefixes)
        if (w.starts_with(prefix)) return 400;
    return 0;
}

int status_of_number(int status) noexcept {
    if (status == 429 || status >= 500) return status;
    if (status == 408 || status == 499) return 504;
    return status == 0 ? 0 : 400;
}

// The members of an error object.
void read_members(std::string_view object, error_words& out, bool may_lie_deeper) {
    http::json_query q;
    const auto code = q.want("code"), inner = q.want("innererror"), status = q.want("status"),
               status_code = q.want("statusCode"), wait = q.want("retry_after"), wait_ms = q.want("retry_after_ms");
    const auto error = q.want("error"), response = q.want("response"), last = q.want("last_error");
    if (http::scan_json_object(object, q) != http::json_error::none) return;
    if (may_lie_deeper) {
        for (const auto at : {error, last})
            if (q[at].kind == http::json_kind::object) return read_members(q[at].raw, out, false);
        if (q[response].kind == http::json_kind::object) {
            http::json_query r;
            const auto in_response = r.want("error");
            if (http::scan_json_object(q[response].raw, r) == http::json_error::none &&
                r[in_response].kind == http::json_kind::object)
                return read_members(r[in_response].raw, out, false);
        }
    }
    out.code = word_of(q[code]);
    if (q[inner].kind == http::json_kind::object) {
        http::json_query i;
        const auto inner_code = i.want("code");
        if (http::scan_json_object(q[inner].raw, i) == http::json_error::none)
            out.inner_code = word_of(i[inner_code]);
    }
    out.status = status_in(word_of(q[status].present() ? q[status] : q[status_code]));
    if (const auto ms = parse_wait(word_of(q[wait_ms]))) out.told = *ms / 1000;
    else out.told = parse_wait(word_of(q[wait]));
}

}  // namespace

error_words read_error(std::string_view json) {
    error_words out;
    read_members(json, out, true);
    return out;
}

int stands_for(const error_words& e) noexcept {
    for (const std::string_view code : {std::string_view(e.code), std::string_view(e.inner_code)})
        if (const int s = status_of_code(code)) return s;
    if (const int s = status_of_number(e.status)) return s;
    if (const int s = status_of_number(status_in(e.code))) return s;
    return 500;
}

bool says_deployment_not_found(const error_words& e) noexcept {
    return e.code == "DeploymentNotFound" || e.inner_code == "DeploymentNotFound";
}

bool says_credential_refused(const error_words& e) noexcept {
    return is_one_of(plain_word(e.code).view(), credential_codes) ||
           is_one_of(plain_word(e.inner_code).view(), credential_codes);
}

}  // namespace spillway::core
