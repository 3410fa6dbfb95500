#include <spillway/core/operation.hpp>

#include <array>

#include <spillway/core/balancer.hpp>
#include <spillway/http/target.hpp>

namespace spillway::core {
namespace {

using f = family;
using g = generation;
using n = name_place;
using s = stream_shape;

// One line an operation. Its name is its family's: a route that allows `chat` allows both generations.
constexpr std::array table{
    operation{"chat", f::chat, g::dated, "POST", "chat/completions", n::path, s::chat_events, true},
    operation{"completions", f::completions, g::dated, "POST", "completions", n::path, s::chat_events, true},
    operation{"embeddings", f::embeddings, g::dated, "POST", "embeddings", n::path, s::none, true},
    operation{"images", f::images, g::dated, "POST", "images/generations", n::path, s::chat_events, true},
    operation{"speech", f::speech, g::dated, "POST", "audio/speech", n::path, s::bytes, true},
    operation{"chat", f::chat, g::v1, "POST", "chat/completions", n::body_model, s::chat_events, true},
    operation{"completions", f::completions, g::v1, "POST", "completions", n::body_model, s::chat_events, true},
    operation{"embeddings", f::embeddings, g::v1, "POST", "embeddings", n::body_model, s::none, true},
    operation{"responses", f::responses, g::v1, "POST", "responses", n::body_model, s::response_events, true},
    operation{"images", f::images, g::v1, "POST", "images/generations", n::body_model, s::chat_events, true},
    operation{"speech", f::speech, g::v1, "POST", "audio/speech", n::body_model, s::bytes, true},
};
constexpr operation list_models{"models", f::models, g::v1, "GET", "models", n::none, s::none, true};
constexpr operation list_models_dated{"models", f::models, g::dated, "GET", "models", n::none, s::none, true};

constexpr std::array<std::string_view, 7> names{"chat",   "completions", "embeddings", "responses",
                                                "images", "speech",      "models"};

// Families of the API that keep state or need another kind of body; known by the first segments of their paths.
constexpr std::array<std::string_view, 22> not_served{"assistants",
                                                      "threads",
                                                      "vector_stores",
                                                      "files",
                                                      "batches",
                                                      "fine_tuning",
                                                      "uploads",
                                                      "evals",
                                                      "containers",
                                                      "conversations",
                                                      "realtime",
                                                      "live",
                                                      "responses",
                                                      "video",
                                                      "videos",
                                                      "moderations",
                                                      "images/edits",
                                                      "images/variations",
                                                      "audio/transcriptions",
                                                      "audio/translations",
                                                      "extensions",
                                                      "chat/completions"};

bool begins_with_segments(std::string_view path, std::string_view prefix) noexcept {
    return path.substr(0, prefix.size()) == prefix && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

fault not_found() {
    return {.code = "NotFound",
            .who = origin::client,
            .status = 404,
            .message =
                "This gateway knows no such path. Use /openai/deployments/{deployment}/... with an api-version, "
                "or /openai/v1/..., and see the documentation for the operations it serves."};
}

fault wrong_method(std::string_view wanted) {
    return {.code = "MethodNotAllowed",
            .who = origin::client,
            .status = 405,
            .message = "This operation wants " + std::string(wanted) + "."};
}

fault unsupported() {
    return {.code = "OperationNotSupported",
            .who = origin::client,
            .status = 400,
            .message = "This operation of the API is not served by this version of the gateway."};
}

result<classified> find(core::generation generation, std::string_view method, std::string_view suffix,
                        std::string_view deployment) {
    for (const auto& op : table) {
        if (op.generation != generation || op.suffix != suffix) continue;
        if (op.method != method) {
            // GET on a collection that the API has, such as stored chat completions.
            return wrong_method(op.method);
        }
        return classified{&op, deployment, {}};
    }
    for (const auto prefix : not_served)
        if (begins_with_segments(suffix, prefix)) return unsupported();
    return not_found();
}

result<classified> find_models(const operation& op, std::string_view method, std::string_view rest) {
    if (method != "GET") return wrong_method("GET");
    if (rest.empty()) return classified{&op, {}, {}};
    const auto id = rest.substr(1);
    if (id.empty() || id.find('/') != std::string_view::npos) return not_found();
    return classified{&op, {}, id};
}

}  // namespace

result<classified> classify(std::string_view method, std::string_view path) {
    constexpr std::string_view dated = "/openai/deployments/", v1 = "/openai/v1/", plain_v1 = "/v1/",
                               root = "/openai/";
    if (path.substr(0, dated.size()) == dated) {
        const auto rest = path.substr(dated.size());
        const auto slash = rest.find('/');
        if (slash == 0 || slash == std::string_view::npos) return not_found();
        return find(generation::dated, method, rest.substr(slash + 1), rest.substr(0, slash));
    }
    // Clients that were made for OpenAI itself often keep its base path.
    for (const auto prefix : {v1, plain_v1}) {
        if (path.substr(0, prefix.size()) != prefix) continue;
        const auto rest = path.substr(prefix.size());
        if (begins_with_segments(rest, "models")) return find_models(list_models, method, rest.substr(6));
        return find(generation::v1, method, rest, {});
    }
    if (path.substr(0, root.size()) == root) {
        const auto rest = path.substr(root.size());
        if (begins_with_segments(rest, "models")) return find_models(list_models_dated, method, rest.substr(6));
        for (const auto prefix : not_served)
            if (begins_with_segments(rest, prefix)) return unsupported();
    }
    return not_found();
}

namespace {

void append_query(std::string& out, std::string_view query, std::string_view pinned) {
    bool first = true;
    const auto separate = [&] {
        out += first ? '?' : '&';
        first = false;
    };
    if (pinned.empty()) {
        if (!query.empty()) out.append("?").append(query);
        return;
    }
    http::query_param p;
    for (http::query_cursor c(query); c.next(p);) {
        if (http::param_is(p, "api-version")) continue;
        separate();
        out += p.whole;
    }
    separate();
    out.append("api-version=").append(pinned);
}

}  // namespace

void append_upstream_target(std::string& out, const classified& what, std::string_view path_prefix,
                            std::string_view deployment, std::string_view query,
                            std::string_view pinned_api_version) {
    out += path_prefix;
    if (what.op->generation == generation::dated) {
        out += "/openai/deployments/";
        http::append_segment(out, deployment);
        out += '/';
        out += what.op->suffix;
        append_query(out, query, pinned_api_version);
        return;
    }
    out += "/openai/v1/";
    out += what.op->suffix;
    append_query(out, query, {});
}

std::span<const std::string_view> operation_names() noexcept { return names; }

config_name_lists config_names() noexcept { return {operation_names(), balancer_names()}; }

}  // namespace spillway::core
