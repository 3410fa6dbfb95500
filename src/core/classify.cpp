#include <algorithm>
#include <array>
#include <utility>

#include <spillway/base/percent.hpp>
#include <spillway/core/operation.hpp>
#include <spillway/http/target.hpp>

#include "family_rows.hpp"
#include "object_operations.hpp"

// Which operation a path asks for, and the path that a backend gets.
namespace spillway::core {
namespace {

using family_rows::rows;
using f = family;
using g = generation;
using written = name_place;
using shape = stream_shape;

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
    operation{"responses", f::responses, g::dated, "POST", "responses", written::body_model, shape::response_events,
              true},
    operation{"transcriptions", f::transcriptions, g::dated, "POST", "audio/transcriptions", written::path,
              shape::own_events, true, body_form::form},
    operation{"translations", f::translations, g::dated, "POST", "audio/translations", written::path, shape::none,
              true, body_form::form},
    operation{"images", f::images, g::dated, "POST", "images/edits", written::path, shape::own_events, true,
              body_form::form},
    operation{"transcriptions", f::transcriptions, g::v1, "POST", "audio/transcriptions", written::body_model,
              shape::own_events, true, body_form::form},
    operation{"translations", f::translations, g::v1, "POST", "audio/translations", written::body_model, shape::none,
              true, body_form::form},
    operation{"images", f::images, g::v1, "POST", "images/edits", written::body_model, shape::own_events, true,
              body_form::form},
    operation{"images", f::images, g::v1, "POST", "images/variations", written::body_model, shape::none, true,
              body_form::form},
};
constexpr operation list_models{"models", f::models, g::v1, "GET", "models", written::none, shape::none, true};
constexpr operation list_models_dated{"models", f::models,     g::dated,    "GET",
                                      "models", written::none, shape::none, true};
constexpr bool names_agree() {
    for (const auto& op : operations)
        if (op.name != rows[static_cast<std::size_t>(op.family)].name) return false;
    return true;
}
constexpr bool templates_agree() {
    for (const auto& op : operations) {
        const auto& row = rows[static_cast<std::size_t>(op.family)];
        const auto t = op.generation == g::dated ? row.dated_template : row.v1_template;
        // A family may have more than one path; its first is the template.
        const auto last = t.substr(t.rfind('/') + 1), mine = op.suffix.substr(op.suffix.rfind('/') + 1);
        if (op.family != f::images && !t.empty() && last != mine) return false;
    }
    return true;
}
static_assert(names_agree(), "an operation has the name of its family");
static_assert(templates_agree(), "a template ends as the path of its operation");

// Families of the API that are not served, known by the first segments of their paths.
constexpr std::array<std::string_view, 2> not_served{"realtime", "live"};

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
    if (at.where == place::area::none) return nullptr;
    const auto wanted = at.where == place::area::v1 ? g::v1 : g::dated;
    for (const auto& op : operations)
        if (op.generation == wanted && op.suffix == at.suffix &&
            (wanted == g::v1 || (op.name_place == written::path) == (at.where == place::area::dated)))
            return &op;
    return nullptr;
}

// The operations on objects at that path: by method, since one path has several.
struct object_match {
    classified found;     // op: null when the method is none of the path's
    unsigned methods{0};  // by method_bit()
};
object_match find_object(const place& at, std::string_view method) noexcept {
    object_match out;
    if (at.where == place::area::none || at.suffix.empty()) return out;
    const auto wanted = at.where == place::area::v1 ? g::v1 : g::dated;
    for (const auto& op : object_operations(wanted)) {
        if ((op.name_place == written::path) != (at.where == place::area::dated)) continue;
        classified c{{&op, at.name, {}}};
        if (!match_suffix(op.suffix, at.suffix, c)) continue;
        out.methods |= method_bit(op.method);
        // The first one wins: fixed segments stand before ids.
        if (out.found.op == nullptr && op.method == method) out.found = c;
    }
    return out;
}

bool is_served_elsewhere(std::string_view suffix) noexcept {
    return std::any_of(operations.begin(), operations.end(),
                       [&](const operation& op) { return op.suffix == suffix; });
}

fault why_not(const place& at) {
    if (at.where != place::area::none && is_served_elsewhere(at.suffix)) return misplaced(at.suffix);
    for (const auto prefix : not_served)
        if (begins_with_segments(at.suffix, prefix)) return operation_not_supported();
    return not_found();
}

}  // namespace

result<classified> classify(std::string_view method, std::string_view path) {
    const auto at = locate(path);
    if (at.models) {
        if (method != "GET" && method != "HEAD") return wrong_method("GET");
        return classified{{at.where == place::area::v1 ? &list_models : &list_models_dated, {}, at.name}};
    }
    const auto* op = find(at);
    if (op != nullptr && op->method == method) return classified{{op, at.name, {}}};
    auto object = find_object(at, method);
    if (object.found.op != nullptr) return object.found;
    if (op == nullptr && method == "POST" && is_served_elsewhere(at.suffix)) return misplaced(at.suffix);
    if (op != nullptr) object.methods |= method_bit(op->method);
    if (object.methods != 0) return wrong_method(methods_of(object.methods));
    return why_not(at);
}

fault operation_not_supported() {
    return {.code = "OperationNotSupported",
            .who = origin::client,
            .status = 400,
            .message = "This operation of the API is not served by this gateway."};
}

std::string_view allowed_methods(std::string_view path) noexcept {
    const auto at = locate(path);
    if (at.models) return "GET, HEAD";
    const auto* op = find(at);
    return methods_of(find_object(at, {}).methods | (op == nullptr ? 0U : method_bit(op->method)));
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
    const bool dated = what.op->generation == generation::dated;
    out += dated ? "/openai/" : "/openai/v1/";
    if (dated && what.op->name_place == name_place::path) {
        out += "deployments/";
        percent::append_encoded(out, deployment);
        out += '/';
    }
    append_suffix(out, what);
    append_query(out, query, dated ? pinned_api_version : std::string_view{});
}

}  // namespace spillway::core
