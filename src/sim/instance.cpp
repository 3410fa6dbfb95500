#include "instance.hpp"

#include <algorithm>
#include <cstdio>

#include <spillway/base/text.hpp>

#include "answer_text.hpp"
#include "families.hpp"
#include "identity_provider.hpp"
#include "input_items.hpp"
#include "kept_answers.hpp"

namespace spillway::sim {
namespace {

bool is_of_models(std::string_view path) noexcept { return path == "models" || path.starts_with("models/"); }

bool takes_deployment(operation op) noexcept { return op < operation::models; }

// The form of a request that was not read from a connection.
void read_form(request& r) {
    const auto boundary = form_data::boundary_in(r.header("content-type"));
    if (!boundary) return;
    auto form = std::make_shared<form_data>(*boundary);
    form->feed(r.body);
    r.form = std::move(form);
}

std::shared_ptr<const recorded_request> recorded(const exchange& x) {
    constexpr std::size_t most = 64 * 1024;
    auto out = std::make_shared<recorded_request>();
    out->deployment = x.deployment_name;
    out->method = x.asked.method;
    out->target = x.asked.target;
    out->body = x.asked.body.substr(0, most);
    out->headers = x.asked.headers;
    out->body_bytes = x.asked.whole_body_bytes();
    return out;
}

std::uint64_t whole_seconds(duration d) { return static_cast<std::uint64_t>(std::chrono::ceil<seconds>(d).count()); }

}  // namespace

instance::instance(const instance_options& o, const identity_provider* tokens)
    : resource_(o), tokens_(tokens), objects_({static_cast<std::size_t>(o.objects), o.object_bytes, o.object_life}) {}

void instance::find_way(exchange& x, std::string_view path) {
    const auto found = find_way_in(x.asked.method, path);
    // The same path may be an operation when it is posted and a list of what was kept otherwise.
    if (!found || (found->how == nullptr && x.op != operation::unknown)) return;
    x.path_known = true;
    x.way = found->how;
    x.ids = found->ids;
    x.op = x.way != nullptr && x.way->needs_deployment ? operation::family : operation::stored;
}

void instance::find_operation(exchange& x) const {
    constexpr std::string_view v1 = "/openai/v1/", dated = "/openai/", below = "deployments/";
    std::string_view path = x.asked.path;
    x.v1 = path.starts_with(v1);
    if (!x.v1 && !path.starts_with(dated)) return;
    path.remove_prefix(x.v1 ? v1.size() : dated.size());
    x.api_version = x.asked.parameter("api-version");
    if (!x.v1 && path.starts_with(below)) {
        path.remove_prefix(below.size());
        const auto slash = path.find('/');
        x.deployment_name = percent_decoded(path.substr(0, slash));
        path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
        x.op = operation_at(path);
        if (path == "batches") find_way(x, path);
    } else {
        x.op = is_of_models(path) ? operation::models : operation_at(path);
        if (x.op == operation::unknown || (takes_deployment(x.op) && x.asked.method != "POST")) find_way(x, path);
        x.deployment_name = string_or(x.body, "model", "");
    }
    x.rest = path;
}

void instance::begin(exchange& x) {
    if (!x.asked.form) read_form(x.asked);
    x.body = x.asked.form ? x.asked.form->as_json() : json::parse(x.asked.body, nullptr, false);
    find_operation(x);
    if (takes_deployment(x.op)) x.on = resource_.find_deployment(x.deployment_name);
    x.counters = x.on != nullptr ? &x.on->counters : &other_;
    ++x.counters->requests;
    x.counters->last_request = recorded(x);
}

std::optional<answer> instance::refuse_credentials(const request& r) const {
    const std::string_view key = r.header("api-key");
    if (!options().api_key.empty() && key == options().api_key) return std::nullopt;
    constexpr std::string_view scheme = "bearer ";
    std::string_view token = r.header("authorization");
    token = text::istarts_with(token, scheme) ? text::trim(token.substr(scheme.size())) : std::string_view{};
    if (!token.empty() && !options().api_key.empty() && token == options().api_key) return std::nullopt;
    const bool of_identity = options().bearer == "identity";
    if (!token.empty() && tokens_ != nullptr) {
        auto refused = tokens_->refuse(options().name, options().audiences, std::string(token), of_identity);
        if (refused || of_identity) return refused;
    }
    if (options().api_key.empty() && options().bearer.empty()) return std::nullopt;
    if (!token.empty() && !of_identity && (options().bearer == "any" || token == options().bearer))
        return std::nullopt;
    return error_answer(401, "401",
                        "Access denied due to an invalid key or token, or a wrong endpoint. Use a key of an active "
                        "resource and the endpoint of its own region.");
}

answer instance::over_quota(const exchange& x, const quota_decision& d) const {
    const std::string wait = std::to_string(std::max<std::uint64_t>(1, whole_seconds(d.retry_after)));
    const std::string_view limit = d.reason == quota_reason::requests ? "call rate limit"
                                   : d.reason == quota_reason::tokens ? "token rate limit"
                                                                      : "provisioned throughput";
    std::string message = "Requests to the " + std::string(name_of(x.op)) + " Operation under Azure OpenAI API ";
    message += x.v1 ? "v1" : "version " + x.api_version;
    message +=
        " have exceeded the " + std::string(limit) + " of this deployment. Please retry after " + wait + " seconds.";
    answer out = error_answer(429, "429", message);
    out.headers = {{"Retry-After", wait},
                   {"retry-after-ms", std::to_string(std::chrono::ceil<milliseconds>(d.retry_after).count())}};
    return out;
}

answer instance::models(std::string_view path) const {
    constexpr std::string_view one = "models/";
    const std::string wanted = path.starts_with(one) ? percent_decoded(path.substr(one.size())) : "";
    json data = json::array();
    for (const auto& [name, d] : resource_.deployments()) {
        const std::string id = d->options.full_model();
        json model{{"id", id}, {"object", "model"}, {"created", 1700000000}, {"owned_by", "simulator"}};
        if (!wanted.empty() && wanted == id) return answer::of(200, model);
        data.push_back(std::move(model));
    }
    if (!wanted.empty()) return error_answer(404, "404", "Resource not found");
    return answer::of(200, {{"object", "list"}, {"data", std::move(data)}});
}

answer instance::reply(exchange& x, time_point now) {
    if (auto refused = refuse_credentials(x.asked)) return *refused;
    if (x.op == operation::unknown || (!x.v1 && x.api_version.empty()))
        return error_answer(404, "404", "Resource not found");
    if (x.op == operation::models) return models(x.rest);
    const bool wrong_method = x.path_known ? x.way == nullptr : x.asked.method != "POST";
    if (wrong_method) return error_answer(405, "405", "Method not allowed");
    const bool no_body = x.op == operation::stored && x.asked.whole_body_bytes() == 0;
    if (no_body) x.body = json::object();
    if (!x.body.is_object())
        return error_answer(400, {}, "The body of your request is not valid JSON.", "invalid_request_error");
    if (x.op == operation::stored) return visit_way(x, now);
    if (x.on == nullptr)
        return error_answer(
            404, "DeploymentNotFound",
            "The API deployment for this resource does not exist. If it was made within the last five "
            "minutes, wait a moment and try again.");
    x.estimated = estimated_tokens(x.as_call());
    if (const quota_decision d = resource::admit(*x.on, x.estimated, now); !d.admitted()) return over_quota(x, d);
    return x.op == operation::family ? visit_way(x, now) : infer(x, now);
}

answer instance::visit_way(exchange& x, time_point now) {
    visit v{resource_, objects_, x, x.ids, x.way->of, now};
    try {
        return x.way->handle(v);
    } catch (const json::exception&) {
        // A member of the body is of a kind that its handler does not look for.
        return invalid("A member of the body is not of the kind that it has to be.");
    }
}

answer instance::infer(exchange& x, time_point now) {
    call c = x.as_call();
    c.seal = options().seal();
    visit v{resource_, objects_, x, {}, nullptr, now};
    if (x.op == operation::responses) {
        if (auto refused = refuse_unknown_state(v)) return *refused;
        c.context = known_context(v);
    }
    answer out = answer_to(c);
    if (out.kept.is_null()) return out;
    if (x.op == operation::responses) keep_response(v, out);
    else keep_chat(v, out);
    return out;
}

void instance::settle(const exchange& x, const token_counts& used, time_point now) {
    if (x.on == nullptr) return;
    x.on->counters.tokens.prompt += used.prompt;
    x.on->counters.tokens.completion += used.completion;
    if (x.estimated != 0 && x.on->options.provisioned()) x.on->provisioned.settle(x.estimated, used.total(), now);
}

void instance::add_headers(const exchange& x, answer& a, time_point now) const {
    const auto add = [&a](std::string_view name, std::string value) {
        a.headers.emplace_back(name, std::move(value));
    };
    add("apim-request-id", x.request_id);
    const std::string_view told = x.asked.header("x-ms-client-request-id");
    add("x-ms-client-request-id", told.empty() ? x.request_id : std::string(told));
    add("x-request-id", x.request_id);
    add("x-content-type-options", "nosniff");
    add("strict-transport-security", "max-age=31536000; includeSubDomains; preload");
    add("x-sim-instance", options().name);
    if (const auto& region = x.other_region.empty() ? options().region : x.other_region; !region.empty())
        add("x-ms-region", region);
    if (a.streamed) add("cache-control", "no-cache, must-revalidate");
    if (x.on == nullptr) return;
    add("x-ms-deployment-name", x.on->options.name);
    if (a.status == 200) add("x-ms-rai-invoked", "true");
    if (x.on->options.provisioned()) {
        char percent[32];
        std::snprintf(percent, sizeof percent, "%.1f%%", x.on->provisioned.utilization(now));
        add("azure-openai-deployment-utilization", percent);
        return;
    }
    const standard_quota& q = x.on->standard;
    if (!q.limited()) return;
    add("x-ratelimit-limit-requests", std::to_string(q.limit_requests()));
    add("x-ratelimit-remaining-requests", std::to_string(q.remaining_requests(now)));
    add("x-ratelimit-reset-requests", std::to_string(whole_seconds(q.reset_requests(now))));
    if (q.limit_tokens() == 0) return;
    add("x-ratelimit-limit-tokens", std::to_string(q.limit_tokens()));
    add("x-ratelimit-remaining-tokens", std::to_string(q.remaining_tokens(now)));
    add("x-ratelimit-reset-tokens", std::to_string(whole_seconds(q.reset_tokens(now))));
}

void instance::clear_counters() {
    const auto open = connections.open;
    connections = {};
    connections.open = open;
    other_.clear();
    for (auto& [name, d] : resource_.deployments()) {
        d->counters.clear();
        d->standard.clear();
        d->provisioned.clear();
    }
}

json instance::to_json(time_point now) const {
    json deployments = json::object();
    for (const auto& [name, d] : resource_.deployments()) {
        json one = d->counters.to_json();
        if (d->options.provisioned()) one["utilization"] = d->provisioned.utilization(now);
        deployments[name] = std::move(one);
    }
    const auto& c = connections;
    return {{"address", bound_address},
            {"tls", options().tls},
            {"region", options().region},
            {"connections",
             {{"opened", c.opened},
              {"open", c.open},
              {"tls_handshakes", c.tls_handshakes},
              {"tls_resumed", c.tls_resumed},
              {"tls_failed", c.tls_failed},
              {"dropped_idle", c.dropped_idle}}},
            {"objects", objects_.size()},
            {"other", other_.to_json()},
            {"deployments", std::move(deployments)}};
}

}  // namespace spillway::sim
