#include <spillway/core/object_ids.hpp>

#include <algorithm>
#include <array>

#include <spillway/http/target.hpp>

namespace spillway::core {
namespace {

constexpr http::id_member members[] = {
    {"id"},
    {"encrypted_content", false, true},
    {"conversation"},
    {"prompt"},
    {"previous_response_id"},
    {"response_id"},
    {"conversation_id"},
    {"item_id"},
    {"approval_request_id"},
    {"file_id"},
    {"file_ids"},
    {"input_file_id"},
    {"output_file_id"},
    {"error_file_id"},
    {"training_file"},
    {"validation_file"},
    {"result_files"},
    {"vector_store_id"},
    {"vector_store_ids"},
    {"assistant_id"},
    {"thread_id"},
    {"run_id"},
    {"message_id"},
    {"step_id"},
    {"batch_id"},
    {"upload_id"},
    {"part_ids"},
    {"container"},
    {"container_id"},
    {"eval_id"},
    {"fine_tuning_job_id"},
    {"job_id"},
    {"video_id"},
    {"remixed_from_video_id"},
    {"first_id"},
    {"last_id"},
    // What clients and models write as they like.
    {"metadata", true},
    {"attributes", true},
    {"parameters", true},
    {"schema", true},
    {"json_schema", true},
    {"input_schema", true},
    {"logit_bias", true},
};

constexpr int place_of(std::string_view name) {
    for (int i = 0; i < static_cast<int>(std::size(members)); ++i)
        if (members[i].name == name) return i;
    return -1;
}
constexpr int own = place_of("id"), reasoning = place_of("encrypted_content"),
              conversation = place_of("conversation"), prompt = place_of("prompt"),
              previous = place_of("previous_response_id");

constexpr bool is_alnum(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

constinit const http::id_table object_members(members);

bool names_previous_response(int member) noexcept { return member == previous; }

id_kind kind_of_member(int member, int parent) noexcept {
    if (member == reasoning) return id_kind::reasoning;
    if (member == prompt) return id_kind::text;
    if (member == own && parent != conversation && parent != prompt) return id_kind::own_id;
    return id_kind::reference;
}

bool is_object_id(std::string_view value) noexcept {
    constexpr std::size_t longest = 400, least_behind = 6;
    constexpr std::array<std::string_view, 4> others{"call_", "chatcmpl-tool", "user-", "org-"};
    if (value.size() > longest) return false;
    for (const auto o : others)
        if (value.starts_with(o)) return false;
    const auto mark = value.find_first_of("_-");
    if (mark == std::string_view::npos || mark < 2 || value.size() < mark + 1 + least_behind) return false;
    return std::all_of(value.begin(), value.end(), [](char c) { return is_alnum(c) || c == '_' || c == '-'; });
}

bool param_holds_id(std::string_view raw_name) noexcept {
    const http::query_param p{raw_name, {}, {}};
    return http::param_is(p, "after") || http::param_is(p, "before") || http::param_is(p, "run_id");
}

fault object_not_found(std::string_view where) {
    return {.code = "ObjectNotFound",
            .who = origin::client,
            .status = 404,
            .message = "There is no such object for this client: " + std::string(where) +
                       ". Use ids as this gateway has given them to this client."};
}

fault previous_response_not_found(std::string_view id) {
    return {.code = "previous_response_not_found",
            .who = origin::client,
            .status = 400,
            .message = "Previous response with id '" + std::string(id.substr(0, 100)) + "' not found."};
}

fault reasoning_not_verified() {
    return {
        .code = "invalid_encrypted_content",
        .who = origin::client,
        .status = 400,
        .message = "The encrypted content could not be verified: it was not made for this client, or was changed."};
}

fault objects_apart() {
    return {.code = "ObjectsOnDifferentInstances",
            .who = origin::client,
            .status = 400,
            .message =
                "The request names objects that different instances keep, and none of them has all. Make them anew "
                "with one of them named in the request, so that they come to lie together."};
}

fault object_gone() {
    return {.code = "ObjectGone",
            .who = origin::client,
            .status = 410,
            .message =
                "The instance that keeps this object is not served by this gateway any more. Make the object "
                "anew."};
}

fault object_elsewhere(std::string_view deployment) {
    return {.code = "ObjectElsewhere",
            .who = origin::client,
            .status = 400,
            .message = "The deployment \"" + std::string(deployment) +
                       "\" is not served by the instance that keeps the object which the request names. Use the "
                       "deployment that the object was made with, or send the whole input."};
}

fault lists_not_served() {
    return {.code = "ListsNotServed",
            .who = origin::client,
            .status = 400,
            .message =
                "Several clients or instances share these objects, and the instance's list would show them "
                "all. Keep the ids that the gateway gave, and ask for each object by its id."};
}

}  // namespace spillway::core
