#include <spillway/core/operation.hpp>

#include <algorithm>
#include <array>
#include <utility>

#include <spillway/base/percent.hpp>
#include <spillway/http/json_scan.hpp>
#include <spillway/http/target.hpp>

namespace spillway::core {
namespace {

using f = family;
using g = generation;
using written = name_place;
using shape = stream_shape;

using tokens = answer_limit;
using broken = http::stream_family;

// By the family's number. The conventions know no operation of their own for pictures and speech; generate_content is
// theirs for what is not text. Pictures may have no tokens at all, and their bytes tell nothing.
constexpr std::array rows{
    // family, name, tells_tokens, estimable, reserves, limit, broken_end, fits_openai, then OpenTelemetry's words
    family_row{f::chat, "chat", true, true, true, tokens::chat, broken::chat, true, "chat", "", "chat_completions",
               "/openai/deployments/{deployment}/chat/completions", "/openai/v1/chat/completions"},
    family_row{f::completions, "completions", true, true, true, tokens::chat, broken::chat, true, "text_completion",
               "", "", "/openai/deployments/{deployment}/completions", "/openai/v1/completions"},
    family_row{f::embeddings, "embeddings", true, true, true, tokens::none, broken::chat, true, "embeddings", "", "",
               "/openai/deployments/{deployment}/embeddings", "/openai/v1/embeddings"},
    family_row{f::responses, "responses", true, true, true, tokens::responses, broken::responses, true, "chat", "",
               "responses", "", "/openai/v1/responses"},
    family_row{f::images, "images", true, false, false, tokens::none, broken::chat, true, "generate_content", "image",
               "", "/openai/deployments/{deployment}/images/generations", "/openai/v1/images/generations"},
    family_row{f::speech, "speech", false, false, false, tokens::none, broken::chat, true, "generate_content",
               "speech", "", "/openai/deployments/{deployment}/audio/speech", "/openai/v1/audio/speech"},
    family_row{f::models, "models", false, false, false, tokens::none, broken::chat, false, "", "", "",
               "/openai/models", "/openai/v1/models"},
};

// One line an operation. Its name is its family's: a route that allows `chat` allows both generations.
constexpr std::array operations{
    operation{"chat", f::chat, g::dated, "POST", "chat/completions", written::path, shape::chat_events, true},
    operation{"completions", f::completions, g::dated, "POST", "completions", written::path, shape::chat_events,
              true},
    operation{"embeddings", f::embeddings, g::dated, "POST", "embeddings", written::path, shape::none, true},
    operation{"images", f::images, g::dated, "POST", "images/generations", written::path, shape::chat_events, true},
    operation{"speech", f::speech, g::dated, "POST", "audio/speech", written::path, shape::bytes, true},
    operation{"chat", f::chat, g::v1, "POST", "chat/completions", written::body_model, shape::chat_events, true},
    operation{"completions", f::completions, g::v1, "POST", "completions", written::body_model, shape::chat_events,
              true},
    operation{"embeddings", f::embeddings, g::v1, "POST", "embeddings", written::body_model, shape::none, true},
    operation{"responses", f::responses, g::v1, "POST", "responses", written::body_model, shape::response_events,
              true},
    operation{"images", f::images, g::v1, "POST", "images/generations", written::body_model, shape::chat_events,
              true},
    operation{"speech", f::speech, g::v1, "POST", "audio/speech", written::body_model, shape::bytes, true},
};
constexpr operation list_models{"models", f::models, g::v1, "GET", "models", written::none, shape::none, true};
constexpr operation list_models_dated{"models", f::models,     g::dated,    "GET",
                                      "models", written::none, shape::none, true};

constexpr bool rows_are_in_order() {
    for (std::size_t i = 0; i < rows.size(); ++i)
        if (rows[i].family != static_cast<family>(i)) return false;
    return true;
}
constexpr bool names_agree() {
    for (const auto& op : operations)
        if (op.name != rows[static_cast<std::size_t>(op.family)].name) return false;
    return true;
}
constexpr bool templates_agree() {
    for (const auto& op : operations) {
        const auto& row = rows[static_cast<std::size_t>(op.family)];
        const auto t = op.generation == g::dated ? row.dated_template : row.v1_template;
        if (!t.ends_with(op.suffix)) return false;
    }
    return true;
}
static_assert(rows_are_in_order(), "a family's row stands at its number");
static_assert(names_agree(), "an operation has the name of its family");
static_assert(templates_agree(), "a template ends as the path of its operation");

constexpr auto all_operation_names = [] {
    std::array<std::string_view, rows.size()> out;
    for (std::size_t i = 0; i < rows.size(); ++i) out[i] = rows[i].name;
    return out;
}();

// Families of the API that keep state or need another kind of body; known by the first segments of their paths.
constexpr std::array<std::string_view, 20> not_served{"assistants",
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
                                                      "video",
                                                      "videos",
                                                      "moderations",
                                                      "images/edits",
                                                      "images/variations",
                                                      "audio/transcriptions",
                                                      "audio/translations",
                                                      "extensions"};
// Operations whose objects the API keeps: what lies below their path asks for one of those objects, and GET on the
// path itself for all of them (stored chat completions) or for a connection that stays (Responses over WebSocket).
constexpr std::array<std::string_view, 2> keep_objects{"chat/completions", "responses"};

bool begins_with_segments(std::string_view path, std::string_view prefix) noexcept {
    return path.substr(0, prefix.size()) == prefix && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

fault not_found(std::string message =
                    "This gateway knows no such path. Use /openai/deployments/{deployment}/... with an api-version, "
                    "or /openai/v1/..., and see the documentation for the operations it serves.") {
    return {.code = "NotFound", .who = origin::client, .status = 404, .message = std::move(message)};
}

// The path has all that the operation needs but its place.
fault misplaced(std::string_view suffix) {
    std::string how = "This path is not complete. Use /openai/v1/" + std::string(suffix) +
                      " with the deployment's name as `model` (base URL: .../openai/v1/)";
    if (suffix != "responses")
        how += ", or /openai/deployments/{deployment}/" + std::string(suffix) + " with an api-version";
    return not_found(how + ".");
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

// Where a path leads before its operation is looked up.
struct place {
    enum class area : std::uint8_t { none, dated, v1, root };  // root: dated, without a deployment
    area where{area::none};
    bool models{false};
    std::string_view name;    // of the deployment or model
    std::string_view suffix;  // of the operation
};

place locate(std::string_view path) noexcept {
    constexpr std::string_view dated = "/openai/deployments/", models = "models";
    if (path.starts_with(dated)) {
        const auto rest = path.substr(dated.size());
        const auto slash = rest.find('/');
        if (slash == 0 || slash == std::string_view::npos) return {};
        return {place::area::dated, false, rest.substr(0, slash), rest.substr(slash + 1)};
    }
    // Clients that were made for OpenAI itself often keep its base path.
    constexpr std::pair<std::string_view, place::area> starts[] = {
        {"/openai/v1/", place::area::v1}, {"/v1/", place::area::v1}, {"/openai/", place::area::root}};
    for (const auto& [prefix, area] : starts) {
        if (!path.starts_with(prefix)) continue;
        const auto rest = path.substr(prefix.size());
        if (!begins_with_segments(rest, models)) return {area, false, {}, rest};
        return {area, true, rest.substr(std::min(rest.size(), models.size() + 1)), {}};
    }
    return {};
}

const operation* find(const place& at) noexcept {
    if (at.where != place::area::dated && at.where != place::area::v1) return nullptr;
    const auto wanted = at.where == place::area::dated ? g::dated : g::v1;
    for (const auto& op : operations)
        if (op.generation == wanted && op.suffix == at.suffix) return &op;
    return nullptr;
}

bool is_served_elsewhere(std::string_view suffix) noexcept {
    return std::any_of(operations.begin(), operations.end(),
                       [&](const operation& op) { return op.suffix == suffix; });
}

fault why_not(const place& at, std::string_view method) {
    for (const auto collection : keep_objects) {
        const bool asks_for_objects = method == "GET" && at.where != place::area::dated;
        if (begins_with_segments(at.suffix, collection) && (at.suffix != collection || asks_for_objects))
            return unsupported();
    }
    if (at.where != place::area::none && is_served_elsewhere(at.suffix)) return misplaced(at.suffix);
    for (const auto prefix : not_served)
        if (begins_with_segments(at.suffix, prefix)) return unsupported();
    return not_found();
}

}  // namespace

result<classified> classify(std::string_view method, std::string_view path) {
    const auto at = locate(path);
    if (at.models) {
        if (method != "GET" && method != "HEAD") return wrong_method("GET");
        return classified{at.where == place::area::v1 ? &list_models : &list_models_dated, {}, at.name};
    }
    const auto* op = find(at);
    if (op != nullptr && op->method == method) return classified{op, at.name, {}};
    const auto why = why_not(at, method);
    return op != nullptr && why.status != 400 ? wrong_method(op->method) : why;
}

std::string_view allowed_methods(std::string_view path) noexcept {
    const auto at = locate(path);
    if (at.models) return "GET, HEAD";
    const auto* op = find(at);
    return op == nullptr ? std::string_view{} : op->method;
}

std::string_view name_in_path(std::string_view path) noexcept { return locate(path).name; }

namespace {

void append_query(std::string& out, std::string_view query, std::string_view pinned, bool without_version = false) {
    bool first = true;
    const auto separate = [&] {
        out += first ? '?' : '&';
        first = false;
    };
    if (pinned.empty() && !without_version) {
        if (!query.empty()) out.append("?").append(query);
        return;
    }
    http::query_param p;
    for (http::query_cursor c(query); c.next(p);) {
        if (http::param_is(p, "api-version")) continue;
        separate();
        out += p.whole;
    }
    if (pinned.empty()) return;
    separate();
    out.append("api-version=").append(pinned);
}

}  // namespace

void append_upstream_target(std::string& out, const classified& what, std::string_view path_prefix,
                            std::string_view deployment, std::string_view query, std::string_view pinned_api_version,
                            config::instance_kind kind) {
    out += path_prefix;
    if (kind == config::instance_kind::openai) {
        out += '/';
        out += what.op->suffix;
        append_query(out, query, {}, true);
        return;
    }
    if (what.op->generation == generation::dated) {
        out += "/openai/deployments/";
        percent::append_encoded(out, deployment);
        out += '/';
        out += what.op->suffix;
        append_query(out, query, pinned_api_version);
        return;
    }
    out += "/openai/v1/";
    out += what.op->suffix;
    append_query(out, query, {});
}

const family_row& row_of(family f) noexcept { return rows[static_cast<std::size_t>(f)]; }

bool fits_openai(const operation& op) noexcept { return op.row().fits_openai; }

// OpenAI: code model_not_found. vLLM and Ollama: a message that begins with the model. Web frameworks that know no
// such path, as below a wrong base path: no `error` at all; OpenAI: "Invalid URL". A message counts by its beginning
// alone, since what follows may repeat the client's own words, and other members than `model` are the client's, too.
bool says_model_missing(std::string_view body) noexcept {
    http::json_query outer;
    const auto error = outer.want("error"), bare_type = outer.want("type"), bare_message = outer.want("message");
    if (http::scan_json_object(body, outer) != http::json_error::none) return false;
    auto message = outer[bare_message].raw;
    std::string_view code, param;
    if (outer[error].kind == http::json_kind::object) {
        http::json_query inner;
        const auto inner_code = inner.want("code"), inner_param = inner.want("param"),
                   inner_message = inner.want("message");
        if (http::scan_json_object(outer[error].raw, inner) != http::json_error::none) return false;
        code = inner[inner_code].raw;
        param = inner[inner_param].raw;
        message = inner[inner_message].raw;
    } else if (outer[error].kind == http::json_kind::string) {
        message = outer[error].raw;
    } else if (!outer[error].present() && !outer[bare_type].present() && !outer[bare_message].present()) {
        return true;
    }
    if (!param.empty() && param != "null" && param != R"("model")") return false;
    if (code == R"("model_not_found")") return true;
    constexpr std::string_view beginnings[] = {R"("The model `)", R"("model \")", R"("model ')", R"("Invalid URL)"};
    return std::any_of(std::begin(beginnings), std::end(beginnings),
                       [&](std::string_view b) { return message.starts_with(b); });
}

std::span<const std::string_view> operation_names() noexcept { return all_operation_names; }

}  // namespace spillway::core
