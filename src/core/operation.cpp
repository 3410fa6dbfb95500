#include <spillway/core/operation.hpp>

#include <algorithm>
#include <array>
#include <utility>

#include <spillway/base/percent.hpp>
#include <spillway/http/json_scan.hpp>
#include <spillway/http/target.hpp>

#include "object_operations.hpp"

namespace spillway::core {
namespace {

using f = family;
using g = generation;
using written = name_place;
using shape = stream_shape;

using tokens = answer_limit;
using broken = http::stream_family;

// Objects that an instance keeps: no tokens that an answer would tell.
constexpr family_row kept(family of, std::string_view name) {
    return {of, name, false, false, false, tokens::none, broken::chat, false, "", "", "", "", ""};
}

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
    family_row{f::transcriptions, "transcriptions", true, false, false, tokens::none, broken::chat, false,
               "generate_content", "text", "", "/openai/deployments/{deployment}/audio/transcriptions",
               "/openai/v1/audio/transcriptions"},
    family_row{f::translations, "translations", true, false, false, tokens::none, broken::chat, false,
               "generate_content", "text", "", "/openai/deployments/{deployment}/audio/translations",
               "/openai/v1/audio/translations"},
    kept(f::conversations, "conversations"),
    kept(f::stored_chats, "stored_chats"),
    kept(f::files, "files"),
    kept(f::uploads, "uploads"),
    kept(f::batches, "batches"),
    kept(f::vector_stores, "vector_stores"),
    kept(f::assistants, "assistants"),
    family_row{f::threads, "threads", true, false, false, tokens::none, broken::chat, false, "invoke_agent", "", "",
               "", ""},
    kept(f::containers, "containers"),
    kept(f::evals, "evals"),
    kept(f::fine_tuning, "fine_tuning"),
    kept(f::videos, "videos"),
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
        // A family may have more than one path; its first is the template.
        const auto last = t.substr(t.rfind('/') + 1), mine = op.suffix.substr(op.suffix.rfind('/') + 1);
        if (op.family != f::images && !t.empty() && last != mine) return false;
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
        classified c{&op, at.name, {}};
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
        return classified{at.where == place::area::v1 ? &list_models : &list_models_dated, {}, at.name};
    }
    const auto* op = find(at);
    if (op != nullptr && op->method == method) return classified{op, at.name, {}};
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

namespace {

constexpr std::array<std::string_view, 2> group_names{"stateless", "objects"};
constexpr std::uint32_t bit_of(family f) { return std::uint32_t{1} << static_cast<unsigned>(f); }
constexpr std::uint32_t stateless_bits = bit_of(f::chat) | bit_of(f::completions) | bit_of(f::embeddings) |
                                         bit_of(f::responses) | bit_of(f::images) | bit_of(f::speech) |
                                         bit_of(f::models) | bit_of(f::transcriptions) | bit_of(f::translations);
constexpr std::uint32_t all_bits = (std::uint32_t{1} << rows.size()) - 1;
static_assert(rows.size() < 32, "a route keeps its operations as bits of 32");

}  // namespace

std::span<const std::string_view> operation_groups() noexcept { return group_names; }

std::uint32_t operation_bits(std::string_view name) noexcept {
    if (name == group_names[0]) return stateless_bits;
    if (name == group_names[1]) return all_bits & ~stateless_bits;
    const auto at = std::find(all_operation_names.begin(), all_operation_names.end(), name);
    return at == all_operation_names.end() ? 0 : std::uint32_t{1} << (at - all_operation_names.begin());
}

}  // namespace spillway::core
