#include "object_operations.hpp"

#include <array>

#include "family_rows.hpp"

namespace spillway::core {
namespace {

using f = family;
using form = body_form;
using role = object_role;
using shape = stream_shape;

// Whether the body names a deployment as `model`.
enum class named : std::uint8_t { no, may, must };

// One line an operation; both generations of the API have it.
struct object_row {
    core::family family;
    std::string_view method, suffix;
    body_form body;
    object_role role;
    named name{named::no};
    stream_shape stream{stream_shape::none};
};

// Fixed segments stand before ids. Reads may be repeated on the instance, which is the only one that has the object.
constexpr std::array object_rows{
    object_row{f::responses, "POST", "responses/compact", form::json, role::makes, named::may},
    object_row{f::responses, "POST", "responses/input_tokens", form::json, role::uses, named::may},
    object_row{f::responses, "GET", "responses/{}", form::no_body, role::uses, named::no, shape::response_events},
    object_row{f::responses, "DELETE", "responses/{}", form::no_body, role::uses},
    object_row{f::responses, "POST", "responses/{}/cancel", form::no_body, role::uses},
    object_row{f::responses, "GET", "responses/{}/input_items", form::no_body, role::uses},
    object_row{f::conversations, "POST", "conversations", form::no_body, role::makes},
    object_row{f::conversations, "GET", "conversations/{}", form::no_body, role::uses},
    object_row{f::conversations, "POST", "conversations/{}", form::json, role::uses},
    object_row{f::conversations, "DELETE", "conversations/{}", form::no_body, role::uses},
    object_row{f::conversations, "POST", "conversations/{}/items", form::json, role::uses},
    object_row{f::conversations, "GET", "conversations/{}/items", form::no_body, role::uses},
    object_row{f::conversations, "GET", "conversations/{}/items/{}", form::no_body, role::uses},
    object_row{f::conversations, "DELETE", "conversations/{}/items/{}", form::no_body, role::uses},
    object_row{f::stored_chats, "GET", "chat/completions", form::no_body, role::lists},
    object_row{f::stored_chats, "GET", "chat/completions/{}", form::no_body, role::uses},
    object_row{f::stored_chats, "POST", "chat/completions/{}", form::json, role::uses},
    object_row{f::stored_chats, "DELETE", "chat/completions/{}", form::no_body, role::uses},
    object_row{f::stored_chats, "GET", "chat/completions/{}/messages", form::no_body, role::uses},
    object_row{f::files, "POST", "files", form::form, role::makes},
    object_row{f::files, "GET", "files", form::no_body, role::lists},
    object_row{f::files, "GET", "files/{}", form::no_body, role::uses},
    object_row{f::files, "DELETE", "files/{}", form::no_body, role::uses},
    object_row{f::files, "GET", "files/{}/content", form::no_body, role::uses, named::no, shape::bytes},
    object_row{f::uploads, "POST", "uploads", form::json, role::makes},
    object_row{f::uploads, "POST", "uploads/{}/parts", form::form, role::uses},
    object_row{f::uploads, "POST", "uploads/{}/complete", form::json, role::uses},
    object_row{f::uploads, "POST", "uploads/{}/cancel", form::no_body, role::uses},
    object_row{f::batches, "POST", "batches", form::json, role::makes},
    object_row{f::batches, "GET", "batches", form::no_body, role::lists},
    object_row{f::batches, "GET", "batches/{}", form::no_body, role::uses},
    object_row{f::batches, "POST", "batches/{}/cancel", form::no_body, role::uses},
    object_row{f::vector_stores, "POST", "vector_stores", form::no_body, role::makes},
    object_row{f::vector_stores, "GET", "vector_stores", form::no_body, role::lists},
    object_row{f::vector_stores, "GET", "vector_stores/{}", form::no_body, role::uses},
    object_row{f::vector_stores, "POST", "vector_stores/{}", form::json, role::uses},
    object_row{f::vector_stores, "DELETE", "vector_stores/{}", form::no_body, role::uses},
    object_row{f::vector_stores, "POST", "vector_stores/{}/search", form::json, role::uses},
    object_row{f::vector_stores, "POST", "vector_stores/{}/files", form::json, role::uses},
    object_row{f::vector_stores, "GET", "vector_stores/{}/files", form::no_body, role::uses},
    object_row{f::vector_stores, "GET", "vector_stores/{}/files/{}", form::no_body, role::uses},
    object_row{f::vector_stores, "POST", "vector_stores/{}/files/{}", form::json, role::uses},
    object_row{f::vector_stores, "DELETE", "vector_stores/{}/files/{}", form::no_body, role::uses},
    object_row{f::vector_stores, "GET", "vector_stores/{}/files/{}/content", form::no_body, role::uses},
    object_row{f::vector_stores, "POST", "vector_stores/{}/file_batches", form::json, role::uses},
    object_row{f::vector_stores, "GET", "vector_stores/{}/file_batches/{}", form::no_body, role::uses},
    object_row{f::vector_stores, "POST", "vector_stores/{}/file_batches/{}/cancel", form::no_body, role::uses},
    object_row{f::vector_stores, "GET", "vector_stores/{}/file_batches/{}/files", form::no_body, role::uses},
    object_row{f::assistants, "POST", "assistants", form::json, role::makes, named::must},
    object_row{f::assistants, "GET", "assistants", form::no_body, role::lists},
    object_row{f::assistants, "GET", "assistants/{}", form::no_body, role::uses},
    object_row{f::assistants, "POST", "assistants/{}", form::json, role::uses, named::may},
    object_row{f::assistants, "DELETE", "assistants/{}", form::no_body, role::uses},
    object_row{f::threads, "POST", "threads", form::no_body, role::makes},
    object_row{f::threads, "POST", "threads/runs", form::json, role::uses, named::may, shape::chat_events},
    object_row{f::threads, "GET", "threads/{}", form::no_body, role::uses},
    object_row{f::threads, "POST", "threads/{}", form::json, role::uses},
    object_row{f::threads, "DELETE", "threads/{}", form::no_body, role::uses},
    object_row{f::threads, "POST", "threads/{}/messages", form::json, role::uses},
    object_row{f::threads, "GET", "threads/{}/messages", form::no_body, role::uses},
    object_row{f::threads, "GET", "threads/{}/messages/{}", form::no_body, role::uses},
    object_row{f::threads, "POST", "threads/{}/messages/{}", form::json, role::uses},
    object_row{f::threads, "DELETE", "threads/{}/messages/{}", form::no_body, role::uses},
    object_row{f::threads, "POST", "threads/{}/runs", form::json, role::uses, named::may, shape::chat_events},
    object_row{f::threads, "GET", "threads/{}/runs", form::no_body, role::uses},
    object_row{f::threads, "GET", "threads/{}/runs/{}", form::no_body, role::uses},
    object_row{f::threads, "POST", "threads/{}/runs/{}", form::json, role::uses},
    object_row{f::threads, "POST", "threads/{}/runs/{}/cancel", form::no_body, role::uses},
    object_row{f::threads, "POST", "threads/{}/runs/{}/submit_tool_outputs", form::json, role::uses, named::no,
               shape::chat_events},
    object_row{f::threads, "GET", "threads/{}/runs/{}/steps", form::no_body, role::uses},
    object_row{f::threads, "GET", "threads/{}/runs/{}/steps/{}", form::no_body, role::uses},
    object_row{f::containers, "POST", "containers", form::json, role::makes},
    object_row{f::containers, "GET", "containers", form::no_body, role::lists},
    object_row{f::containers, "GET", "containers/{}", form::no_body, role::uses},
    object_row{f::containers, "DELETE", "containers/{}", form::no_body, role::uses},
    object_row{f::containers, "POST", "containers/{}/files", form::either, role::uses},
    object_row{f::containers, "GET", "containers/{}/files", form::no_body, role::uses},
    object_row{f::containers, "GET", "containers/{}/files/{}", form::no_body, role::uses},
    object_row{f::containers, "DELETE", "containers/{}/files/{}", form::no_body, role::uses},
    object_row{f::containers, "GET", "containers/{}/files/{}/content", form::no_body, role::uses, named::no,
               shape::bytes},
    object_row{f::evals, "POST", "evals", form::json, role::makes},
    object_row{f::evals, "GET", "evals", form::no_body, role::lists},
    object_row{f::evals, "GET", "evals/{}", form::no_body, role::uses},
    object_row{f::evals, "POST", "evals/{}", form::json, role::uses},
    object_row{f::evals, "DELETE", "evals/{}", form::no_body, role::uses},
    object_row{f::evals, "POST", "evals/{}/runs", form::json, role::uses},
    object_row{f::evals, "GET", "evals/{}/runs", form::no_body, role::uses},
    object_row{f::evals, "GET", "evals/{}/runs/{}", form::no_body, role::uses},
    object_row{f::evals, "POST", "evals/{}/runs/{}", form::no_body, role::uses},
    object_row{f::evals, "DELETE", "evals/{}/runs/{}", form::no_body, role::uses},
    object_row{f::evals, "GET", "evals/{}/runs/{}/output_items", form::no_body, role::uses},
    object_row{f::evals, "GET", "evals/{}/runs/{}/output_items/{}", form::no_body, role::uses},
    object_row{f::fine_tuning, "POST", "fine_tuning/jobs", form::json, role::makes},
    object_row{f::fine_tuning, "GET", "fine_tuning/jobs", form::no_body, role::lists},
    object_row{f::fine_tuning, "GET", "fine_tuning/jobs/{}", form::no_body, role::uses},
    object_row{f::fine_tuning, "POST", "fine_tuning/jobs/{}/cancel", form::no_body, role::uses},
    object_row{f::fine_tuning, "POST", "fine_tuning/jobs/{}/pause", form::no_body, role::uses},
    object_row{f::fine_tuning, "POST", "fine_tuning/jobs/{}/resume", form::no_body, role::uses},
    object_row{f::fine_tuning, "GET", "fine_tuning/jobs/{}/events", form::no_body, role::uses},
    object_row{f::fine_tuning, "GET", "fine_tuning/jobs/{}/checkpoints", form::no_body, role::uses},
    object_row{f::videos, "POST", "videos", form::either, role::makes, named::must},
    object_row{f::videos, "GET", "videos", form::no_body, role::lists},
    object_row{f::videos, "GET", "videos/{}", form::no_body, role::uses},
    object_row{f::videos, "DELETE", "videos/{}", form::no_body, role::uses},
    object_row{f::videos, "GET", "videos/{}/content", form::no_body, role::uses, named::no, shape::bytes},
    object_row{f::videos, "POST", "videos/{}/remix", form::json, role::uses},
    object_row{f::videos, "POST", "video/generations/jobs", form::either, role::makes, named::must},
    object_row{f::videos, "GET", "video/generations/jobs", form::no_body, role::lists},
    object_row{f::videos, "GET", "video/generations/jobs/{}", form::no_body, role::uses},
    object_row{f::videos, "DELETE", "video/generations/jobs/{}", form::no_body, role::uses},
    object_row{f::videos, "GET", "video/generations/{}", form::no_body, role::uses},
    object_row{f::videos, "GET", "video/generations/{}/content/video", form::no_body, role::uses, named::no,
               shape::bytes},
};

constexpr operation make(const object_row& r, generation g) {
    return {family_rows::rows[static_cast<std::size_t>(r.family)].name,
            r.family,
            g,
            r.method,
            r.suffix,
            r.name == named::no ? name_place::none : name_place::body_model,
            r.stream == shape::bytes ? shape::none : r.stream,
            r.method == "GET",
            r.body,
            r.role,
            r.name == named::may,
            r.stream == shape::bytes};
}

template <generation g>
constexpr auto of_generation = [] {
    std::array<operation, object_rows.size()> out{};
    for (std::size_t i = 0; i < object_rows.size(); ++i) out[i] = make(object_rows[i], g);
    return out;
}();

// Clients with a deployment of their own send batches below it.
constexpr auto dated = [] {
    std::array<operation, object_rows.size() + 1> out{};
    for (std::size_t i = 0; i < object_rows.size(); ++i) out[i] = of_generation<generation::dated>[i];
    out.back() = make({f::batches, "POST", "batches", form::json, role::makes}, generation::dated);
    out.back().name_place = name_place::path;
    return out;
}();

constexpr std::array<std::string_view, 8> method_lists{"",       "GET",         "POST",         "GET, POST",
                                                       "DELETE", "GET, DELETE", "POST, DELETE", "GET, POST, DELETE"};

std::string_view next_segment(std::string_view& rest) noexcept {
    const auto slash = rest.find('/');
    const auto out = rest.substr(0, slash);
    rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
    return out;
}

}  // namespace

std::span<const operation> object_operations(generation g) noexcept {
    if (g == generation::v1) return of_generation<generation::v1>;
    return dated;
}

bool match_suffix(std::string_view pattern, std::string_view path, classified& out) noexcept {
    if (path.ends_with('/')) return false;
    while (!pattern.empty() && !path.empty()) {
        const auto wanted = next_segment(pattern), got = next_segment(path);
        if (wanted != "{}" && wanted != got) return false;
        if (wanted == "{}") out.ids[out.id_count++] = got;
    }
    return pattern.empty() && path.empty();
}

void append_suffix(std::string& out, const classified& what) {
    std::size_t id = 0;
    for (auto rest = what.op->suffix; !rest.empty();) {
        const auto segment = next_segment(rest);
        out += segment == "{}" ? what.ids[id++] : segment;
        if (!rest.empty()) out += '/';
    }
}

unsigned method_bit(std::string_view method) noexcept {
    return method == "GET" ? 1U : method == "POST" ? 2U : method == "DELETE" ? 4U : 0U;
}

std::string_view methods_of(unsigned bits) noexcept { return method_lists[bits & 7U]; }

}  // namespace spillway::core
