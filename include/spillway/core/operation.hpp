#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <spillway/base/fault.hpp>
#include <spillway/config/traffic.hpp>
#include <spillway/http/stream_error.hpp>

namespace spillway::core {

enum class family : std::uint8_t {
    chat,
    completions,
    embeddings,
    responses,
    images,
    speech,
    models,
    transcriptions,
    translations,
    conversations,
    stored_chats,
    files,
    uploads,
    batches,
    vector_stores,
    assistants,
    threads,
    containers,
    evals,
    fine_tuning,
    videos
};
// Two generations of the API: dated (/openai/deployments/..., ?api-version=) and v1 (/openai/v1/...).
enum class generation : std::uint8_t { dated, v1 };
// Where the deployment's name lies.
enum class name_place : std::uint8_t { none, path, body_model };
// What a streamed answer looks like.
// own_events: with an end mark of the family's own.
enum class stream_shape : std::uint8_t { none, chat_events, response_events, own_events, bytes };
// What a request carries. `either`: JSON or a form; `no_body`: nothing, or JSON.
enum class body_form : std::uint8_t { json, form, either, no_body };
// What an operation does with objects that an instance keeps: nothing by itself (what its body names apart), makes
// one, uses those that it names, or lists all of the client's.
enum class object_role : std::uint8_t { none, makes, uses, lists };

// Where a request says how long its answer may become.
enum class answer_limit : std::uint8_t { none, chat, responses };

// What is the same for an operation in both generations of the API: everything in the gateway that depends on the
// family stands in its row, so that a new one is one row here and one in the table of operations.
struct family_row {
    core::family family;
    std::string_view name;  // as routes, metrics and logs call it
    bool tells_tokens;      // its answers tell their usage in tokens, or those can be estimated
    bool estimable;         // an answer that tells no tokens has some all the same
    bool reserves;          // quotas reserve tokens for it before it is sent
    answer_limit limit;
    http::stream_family broken_end;  // how a stream that breaks off is ended
    bool fits_openai;                // servers of kind openai have it, with `model` in a JSON body
    // OpenTelemetry's semantic conventions: gen_ai.operation.name (empty: no inference), gen_ai.output.type,
    // openai.api.type, and the path as a template in both generations (empty: there is none).
    std::string_view otel_name, otel_output, otel_api, dated_template, v1_template;
};
const family_row& row_of(family f) noexcept;

// What a request can ask for. What is not in the table does not exist for this gateway.
struct operation {
    std::string_view name;  // that of its family
    core::family family;
    core::generation generation;
    std::string_view method;
    // After /openai/deployments/{name}/, /openai/ or /openai/v1/; `{}` stands for an id.
    std::string_view suffix;
    core::name_place name_place;
    stream_shape stream;
    bool repeatable;  // another backend may get the same request as long as the client has seen nothing
    body_form body{body_form::json};
    object_role role{object_role::none};
    bool name_optional{false};  // a body without `model` goes where its objects are, or home
    bool raw_answer{false};     // the content of a file: its bytes are the client's own

    const family_row& row() const noexcept { return row_of(family); }
};

struct named_operation {
    const operation* op{nullptr};
    std::string_view deployment_raw;  // as spelled in the path, percent-encoded
    std::string_view model_id;        // of models/{id}, percent-encoded, slashes as they came; empty: the list
};

struct classified : named_operation {
    // Ids in the path, as spelled; unused ones are empty. What is to stand in their place; empty: the same.
    static constexpr std::size_t most_ids = 3;
    std::array<std::string_view, most_ids> ids{};
    std::size_t id_count{0};
};

// `path` is without query and without the listener's base path. Faults: NotFound (404), MethodNotAllowed (405),
// OperationNotSupported (400: an operation of the API that this version does not serve, told apart from a typing
// mistake). HEAD is served where GET is.
result<classified> classify(std::string_view method, std::string_view path);
fault operation_not_supported();
// The methods that a path is served for, as the field Allow lists them; empty: it is no path of ours.
std::string_view allowed_methods(std::string_view path) noexcept;
// The part of a path that is the name of a deployment or model; empty: none. Names may have slashes.
std::string_view name_in_path(std::string_view path) noexcept;

// Appends path and query as the backend is to see them: its own deployment name where the client's was, the client's
// query as it came except that a pinned api-version replaces the client's on dated paths. An instance of kind openai
// gets the v1 form below its base path, without api-version.
void append_upstream_target(std::string& out, const classified& what, std::string_view path_prefix,
                            std::string_view deployment, std::string_view query, std::string_view pinned_api_version,
                            config::instance_kind kind = config::instance_kind::azure);

// Whether an instance of kind openai can get the operation in either generation: the member `model` of a JSON body
// names what serves.
bool fits_openai(const operation& op) noexcept;

// Whether a 404 to one of these operations says that an instance of kind openai lacks the model, or that its base
// path is wrong: either way it is the backend that is at fault. `body` is the answer's, as far as it was read.
bool says_model_missing(std::string_view body) noexcept;

// Names that routes may use, without repetition.
std::span<const std::string_view> operation_names() noexcept;
// Words that stand for several of them: `stateless`, `objects`.
std::span<const std::string_view> operation_groups() noexcept;
// Bits by operation_index() of a name or a group; 0: it is none.
std::uint32_t operation_bits(std::string_view name) noexcept;
// Place of the name in operation_names(), which is the family's number.
inline std::size_t operation_index(const operation& op) noexcept { return static_cast<std::size_t>(op.family); }

}  // namespace spillway::core
