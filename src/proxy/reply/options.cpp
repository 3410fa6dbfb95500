#include <spillway/core/cors.hpp>

#include "reply.hpp"

// What browsers want to know before a page may read an answer (the Fetch standard calls it CORS).
namespace spillway::proxy {
namespace {

// SDKs read these; a page sees none that is not listed.
constexpr std::string_view shown_headers =
    "x-request-id, apim-request-id, x-ms-client-request-id, x-ms-region, openai-model, openai-processing-ms, "
    "retry-after, retry-after-ms, x-should-retry, x-ratelimit-limit-requests, x-ratelimit-limit-tokens, "
    "x-ratelimit-remaining-requests, x-ratelimit-remaining-tokens, x-ratelimit-reset-requests, "
    "x-ratelimit-reset-tokens, x-spillway-pool, x-spillway-backend, x-spillway-region, x-spillway-attempts";

// A method that the gateway does not serve is refused by the gateway, with words; a browser would say nothing.
constexpr std::string_view preflight_methods = "GET, HEAD, POST, PUT, PATCH, DELETE";

}  // namespace

void reply::write_cors_fields(http::head_writer& w) const {
    const auto& rules = *at_.door().cors;
    // A cache has to know that another origin gets another answer.
    if (!rules.any()) w.field(http::field_id::vary, "Origin");
    if (asked_.cors_origin.empty()) return;
    w.field(http::field_id::access_control_allow_origin, rules.any() ? std::string_view("*") : asked_.cors_origin);
    if (rules.credentials) w.field("access-control-allow-credentials", "true");
    w.field("access-control-expose-headers", shown_headers);
}

// A preflight comes without a key; that is no failure to prove an identity.
net::task<bool> reply::options() {
    const auto& cors = at_.door().cors;
    const auto& fields = asked_.fields();
    const bool preflight =
        fields.has(http::field_id::origin) && fields.has(http::field_id::access_control_request_method);
    if (cors && preflight && asked_.cors_origin.empty()) {
        const fault f{.code = "OriginNotAllowed",
                      .who = origin::client,
                      .status = 403,
                      .message =
                          "Pages of this origin may not use the gateway. Ask the platform team to list the "
                          "origin."};
        co_return co_await refuse(f);
    }
    if (cors && preflight) {
        std::string more = "access-control-allow-methods: " + std::string(preflight_methods) +
                           "\r\naccess-control-max-age: " + cors->max_age + "\r\n";
        const auto wanted = core::allowed_headers(fields.value(http::field_id::access_control_request_headers));
        if (!wanted.empty()) more.append("access-control-allow-headers: ").append(wanted).append("\r\n");
        co_return co_await send(204, {}, {}, more);
    }
    const fault why = core::classify("OPTIONS", asked_.api_path).error();
    co_return co_await refuse(why);
}

}  // namespace spillway::proxy
