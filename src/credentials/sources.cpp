#include "sources.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include <spillway/base/civil.hpp>
#include <spillway/base/percent.hpp>
#include <spillway/base/text.hpp>
#include <spillway/core/told_time.hpp>

namespace spillway::credentials {
namespace {

// A token that claims to live longer than this is looked at again all the same.
constexpr duration longest_life = hours(48);

std::optional<std::uint64_t> number_of(const nlohmann::json& from, const char* name) {
    const auto at = from.find(name);
    if (at == from.end()) return std::nullopt;
    if (at->is_number_unsigned()) return at->get<std::uint64_t>();
    if (at->is_string()) return text::parse_unsigned(at->get_ref<const std::string&>());
    return std::nullopt;
}

// "06/20/2019 02:57:58 +00:00", as some hosts write it; month first.
std::optional<wall_time> parse_host_date(std::string_view s) {
    const auto part = [&](std::size_t at, std::size_t n) {
        return at + n <= s.size() ? text::parse_unsigned(s.substr(at, n)) : std::nullopt;
    };
    const auto month = part(0, 2), day = part(3, 2), year = part(6, 4), hour = part(11, 2), minute = part(14, 2),
               second = part(17, 2);
    if (!month || !day || !year || !hour || !minute || !second) return std::nullopt;
    const auto date = civil::day_of(static_cast<std::int64_t>(*year), static_cast<std::int64_t>(*month),
                                    static_cast<std::int64_t>(*day));
    const auto time = civil::time_of_day(static_cast<std::int64_t>(*hour), static_cast<std::int64_t>(*minute),
                                         static_cast<std::int64_t>(*second));
    return date && time ? std::optional(civil::wall_time_of(*date + *time)) : std::nullopt;
}

std::optional<duration> life_of(const nlohmann::json& from) {
    if (const auto in = number_of(from, "expires_in")) return seconds(std::min<std::uint64_t>(*in, 10'000'000));
    const auto now = wall_clock::now();
    if (const auto on = number_of(from, "expires_on"))
        return std::chrono::duration_cast<duration>(wall_time(seconds(std::min<std::uint64_t>(*on, 4'102'444'800))) -
                                                    now);
    const auto on = from.find("expires_on");
    if (on == from.end() || !on->is_string()) return std::nullopt;
    const auto at = parse_host_date(on->get_ref<const std::string&>());
    return at ? std::optional(std::chrono::duration_cast<duration>(*at - now)) : std::nullopt;
}

// What an OAuth endpoint says about its refusal, short enough for a log line. Such descriptions hold ids and times,
// never what was sent.
std::string refusal_text(const net::fetched& from) {
    const auto body = nlohmann::json::parse(from.body, nullptr, false);
    std::string out = "status " + std::to_string(from.status);
    if (!body.is_object()) return out;
    for (const char* name : {"error", "error_description"}) {
        const auto at = body.find(name);
        if (at == body.end() || !at->is_string()) continue;
        const auto& whole = at->get_ref<const std::string&>();
        out += ": " + whole.substr(0, std::min<std::size_t>(whole.find_first_of("\r\n"), 200));
    }
    return out;
}

}  // namespace

fault unusable(std::string message) {
    return {.code = "CredentialUnusable", .who = origin::gateway, .message = std::move(message)};
}

std::string resource_of(const std::string& scope) {
    constexpr std::string_view end = "/.default";
    return scope.ends_with(end) ? scope.substr(0, scope.size() - end.size()) : scope;
}

void append_form(std::string& out, std::string_view name, std::string_view value) {
    if (!out.empty() && out.back() != '?') out += '&';
    out += name;
    out += '=';
    percent::append_encoded(out, value);
}

bool is_bearer_token(std::string_view s) noexcept {
    while (s.ends_with('=')) s.remove_suffix(1);
    return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
               c == '_' || c == '~' || c == '+' || c == '/';
    });
}

token_answer read_token_answer(const net::fetched& from, std::string_view who) {
    const std::string name(who);
    no_token refused;
    refused.how.status = from.status;
    refused.how.told = core::parse_wait(from.retry_after);
    if (from.status != 200) {
        refused.message = name + " refused: " + refusal_text(from);
        return refused;
    }
    auto body = nlohmann::json::parse(from.body, nullptr, false);
    const auto token = body.is_object() ? body.find("access_token") : body.end();
    if (!body.is_object() || token == body.end() || !token->is_string() || token->get_ref<std::string&>().empty()) {
        refused.message = name + " answered without a token";
        return refused;
    }
    const auto life = life_of(body);
    auto& text = token->get_ref<std::string&>();
    constexpr std::size_t longest = 16 * 1024;
    const bool usable = text.size() <= longest && is_bearer_token(text);
    if (!life || *life <= duration::zero() || !usable) {
        cleanse(text);
        refused.message = name + (usable ? " answered a token that has expired" : " answered what is no token");
        return refused;
    }
    got_token out;
    out.times.got = clock::now();
    out.times.expires = out.times.got + std::min(*life, longest_life);
    if (const auto in = number_of(body, "refresh_in"))
        out.times.refresh_in = seconds(std::min<std::uint64_t>(*in, 10'000'000));
    out.token = secret_text(std::move(text));
    cleanse(text);
    return out;
}

token_answer failed_fetch(const fault& f, std::string_view who) {
    no_token out;
    out.message = std::string(who) + ": " + f.message;
    out.unavailable = f.code == "FetchConnect" || f.code == "FetchTimeout";
    return out;
}

result<secret_text> read_secret_file(const std::string& path) {
    auto text = config::resolve(config::secret_ref::file(path));
    if (!text) return text.error();
    secret_text kept(*text);
    cleanse(*text);
    return result<secret_text>(std::move(kept));
}

result<token_endpoint> make_endpoint(const config::application_source& from, const source_context& with) {
    token_endpoint out;
    out.tenant = from.tenant.empty() ? with.env("AZURE_TENANT_ID").value_or("") : from.tenant;
    out.client_id = from.client_id.empty() ? with.env("AZURE_CLIENT_ID").value_or("") : from.client_id;
    if (out.tenant.empty()) return unusable("no tenant: set it, or AZURE_TENANT_ID");
    if (out.client_id.empty()) return unusable("no client_id: set it, or AZURE_CLIENT_ID");
    std::string authority = from.authority.empty() ? with.env("AZURE_AUTHORITY_HOST").value_or("") : from.authority;
    if (authority.empty()) authority = "https://login.microsoftonline.com";
    while (authority.ends_with('/')) authority.pop_back();
    if (!text::istarts_with(authority, "https://"))
        return unusable("the authority " + authority + " is not https://");
    out.url = authority + "/" + out.tenant + "/oauth2/v2.0/token";
    const auto tls = with.tls(from.ca_file);
    if (!tls) return tls.error();
    out.tls = *tls;
    return out;
}

net::task<token_answer> ask_endpoint(net::fetcher& by, const token_endpoint& at, const token_ask& asked,
                                     secret_text proof, net::interrupt* stop) {
    net::fetch_request r;
    r.method = "POST";
    r.url = at.url;
    r.tls = at.tls;
    r.fields.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    // Growing would leave copies of the proof behind.
    r.body.reserve(1024 + asked.scope.size() * 3 + asked.claims.size() * 3 + proof.view().size());
    append_form(r.body, "grant_type", "client_credentials");
    append_form(r.body, "client_id", at.client_id);
    append_form(r.body, "scope", asked.scope);
    if (!asked.claims.empty()) append_form(r.body, "claims", asked.claims);
    r.body += proof.view();
    auto got = co_await by.fetch(r, stop);
    cleanse(r.body);
    if (!got) co_return failed_fetch(got.error(), at.url);
    auto out = read_token_answer(*got, at.url);
    cleanse(got->body);
    co_return out;
}

net::task<token_answer> ask_with_assertion(net::fetcher& by, const token_endpoint& at, const token_ask& asked,
                                           secret_text assertion, net::interrupt* stop) {
    std::string proof = "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    append_form(proof, "client_assertion", assertion.view());
    co_return co_await ask_endpoint(by, at, asked, secret_text(std::move(proof)), stop);
}

const config::other_source* settings_of(const config::credential& from, std::string_view kind) noexcept {
    return from.source && from.source->kind == kind ? &*from.source : nullptr;
}

result<std::string> setting_of(const config::other_source& from, std::string_view name) {
    const auto at = from.settings.find(name);
    if (at == from.settings.end()) return unusable(from.kind + " wants a setting called " + std::string(name));
    return {boost::system::in_place_value, at->second};
}

result<secret_text> secret_of(const config::other_source& from, std::string_view name) {
    const auto at = from.secrets.find(name);
    if (at == from.secrets.end()) return unusable(from.kind + " wants a secret called " + std::string(name));
    auto text = config::resolve(at->second);
    if (!text) return text.error();
    secret_text kept(*text);
    cleanse(*text);
    return result<secret_text>(std::move(kept));
}

const std::vector<source_kind>& source_kinds() {
    static const std::vector<source_kind> all{
#define SPILLWAY_TOKEN_SOURCE(name) {#name, make_##name},
#include "source_kinds.inc"
#undef SPILLWAY_TOKEN_SOURCE
    };
    return all;
}

made_source make_source(const config::credential& from, const source_context& with) {
    for (const auto& kind : source_kinds()) {
        auto made = kind.make(from, with);
        if (!made || *made) return made;
    }
    if (from.source) return unusable("there is no kind of source called '" + from.source->kind + "'");
    return std::unique_ptr<token_source>();
}

}  // namespace spillway::credentials
