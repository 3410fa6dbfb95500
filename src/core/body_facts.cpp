#include <spillway/core/body_facts.hpp>

#include <array>

#include <spillway/base/text.hpp>
#include <spillway/core/header_rules.hpp>

namespace spillway::core {
namespace {

using http::json_kind;
using http::json_place;
using http::json_places;

// The first places are the same in all tables: what an instance may be asked to do in its own name, and names of
// deployments where older clients put them.
enum common : std::uint8_t {
    outermost,
    data_sources,
    data_sources_camel,
    engine,
    deployment,
    deployment_id,
    deployment_name,
    common_end
};

#define SPILLWAY_COMMON_PLACES                                                                  \
    {outermost, "data_sources", true}, {outermost, "dataSources", true}, {outermost, "engine"}, \
        {outermost, "deployment"}, {outermost, "deployment_id"}, {                              \
        outermost, "deployment_name"                                                            \
    }

constexpr json_place common_list[] = {SPILLWAY_COMMON_PLACES};
constexpr json_places common_places(common_list);

namespace chat_place {
enum : std::uint8_t {
    store = common_end,
    messages,
    audio,
    message,
    content,
    message_audio,
    audio_voice,
    part,
    message_audio_id,
    audio_voice_id,
    file,
    file_id
};
}  // namespace chat_place

constexpr json_place chat_list[] = {SPILLWAY_COMMON_PLACES,          {outermost, "store"},
                                    {outermost, "messages"},         {outermost, "audio"},
                                    {chat_place::messages, ""},      {chat_place::message, "content"},
                                    {chat_place::message, "audio"},  {chat_place::audio, "voice"},
                                    {chat_place::content, ""},       {chat_place::message_audio, "id"},
                                    {chat_place::audio_voice, "id"}, {chat_place::part, "file"},
                                    {chat_place::file, "file_id"}};
constexpr json_places chat_places(chat_list);

namespace speech_place {
enum : std::uint8_t { voice = common_end, voice_id };
}
constexpr json_place speech_list[] = {SPILLWAY_COMMON_PLACES, {outermost, "voice"}, {speech_place::voice, "id"}};
constexpr json_places speech_places(speech_list);

namespace responses_place {
enum : std::uint8_t {
    previous_response_id = common_end,
    conversation,
    background,
    store,
    prompt,
    input,
    tools,
    agent,
    agent_reference,
    prompt_id,
    item,
    tool,
    item_type,
    item_id,
    item_status,
    item_encrypted_content,
    item_content,
    item_output,
    item_container_id,
    item_environment,
    item_file_id,
    tool_type,
    tool_model,
    tool_container,
    tool_vector_store_ids,
    tool_input_image_mask,
    tool_environment,
    part,
    output_file_id,
    output_part,
    environment_container_id,
    container_file_ids,
    vector_store_id,
    mask_file_id,
    tool_environment_container_id,
    tool_environment_file_ids,
    tool_environment_skills,
    part_file_id,
    output_part_file_id,
    container_file_id,
    tool_environment_file_id,
    tool_environment_skill,
    skill_id
};
}
namespace at = responses_place;

constexpr json_place responses_list[] = {SPILLWAY_COMMON_PLACES,
                                         {outermost, "previous_response_id"},
                                         {outermost, "conversation"},
                                         {outermost, "background"},
                                         {outermost, "store"},
                                         {outermost, "prompt"},
                                         {outermost, "input"},
                                         {outermost, "tools"},
                                         {outermost, "agent"},
                                         {outermost, "agent_reference"},
                                         {at::prompt, "id"},
                                         {at::input, ""},
                                         {at::tools, ""},
                                         {at::item, "type"},
                                         {at::item, "id"},
                                         {at::item, "status"},
                                         {at::item, "encrypted_content"},
                                         {at::item, "content"},
                                         {at::item, "output"},
                                         {at::item, "container_id"},
                                         {at::item, "environment"},
                                         {at::item, "file_id"},
                                         {at::tool, "type"},
                                         {at::tool, "model"},
                                         {at::tool, "container"},
                                         {at::tool, "vector_store_ids"},
                                         {at::tool, "input_image_mask"},
                                         {at::tool, "environment"},
                                         {at::item_content, ""},
                                         {at::item_output, "file_id"},
                                         {at::item_output, ""},
                                         {at::item_environment, "container_id"},
                                         {at::tool_container, "file_ids"},
                                         {at::tool_vector_store_ids, ""},
                                         {at::tool_input_image_mask, "file_id"},
                                         {at::tool_environment, "container_id"},
                                         {at::tool_environment, "file_ids"},
                                         {at::tool_environment, "skills"},
                                         {at::part, "file_id"},
                                         {at::output_part, "file_id"},
                                         {at::container_file_ids, ""},
                                         {at::tool_environment_file_ids, ""},
                                         {at::tool_environment_skills, ""},
                                         {at::tool_environment_skill, "skill_id"}};
constexpr json_places responses_places(responses_list);
static_assert(std::size(responses_list) == at::skill_id && std::size(chat_list) == chat_place::file_id);

// Members of Responses whose presence alone says it, with the words of the refusal.
struct state_member {
    std::uint8_t place;
    std::string_view member;
    bool known{true};  // false: of a kind that no gateway can look after
};
constexpr std::array state_members{
    state_member{at::previous_response_id, "previous_response_id"},
    state_member{at::conversation, "conversation"},
    state_member{at::agent, "agent", false},
    state_member{at::agent_reference, "agent_reference", false},
    state_member{at::prompt_id, "prompt.id"},
    state_member{at::item_container_id, "input[].container_id"},
    state_member{at::item_file_id, "input[].file_id"},
    state_member{at::output_file_id, "input[].output.file_id"},
    state_member{at::environment_container_id, "input[].environment.container_id"},
    state_member{at::vector_store_id, "tools[].vector_store_ids"},
    state_member{at::mask_file_id, "tools[].input_image_mask.file_id"},
    state_member{at::tool_environment_container_id, "tools[].environment.container_id"},
    state_member{at::part_file_id, "input[].content[].file_id"},
    state_member{at::output_part_file_id, "input[].output[].file_id"},
    state_member{at::container_file_id, "tools[].container.file_ids"},
    state_member{at::tool_environment_file_id, "tools[].environment.file_ids"},
    state_member{at::skill_id, "tools[].environment.skills[].skill_id", false},
};

// Tools that reach data through connections of the instance's project, with the instance's rights.
constexpr std::array<std::string_view, 8> own_data_tools{"azure_ai_search", "azure_function", "bing_",
                                                         "sharepoint_",     "fabric_",        "memory_search",
                                                         "a2a_preview",     "openapi"};

// Members that say no more than which item it is.
constexpr bool is_bare(std::uint8_t place) noexcept {
    return place == at::item_type || place == at::item_id || place == at::item_status;
}

// A short text, decoded; empty when it is none.
std::string_view short_text(std::string_view raw, std::array<char, 256>& memory) noexcept {
    if (raw.size() > memory.size()) return {};
    return http::decode_json_string(raw, memory).value_or(std::string_view{});
}

}  // namespace

void body_facts::attach(http::json_query& q) noexcept {
    switch (family_) {
        case family::responses: return q.listen(responses_places, *this);
        case family::chat: return q.listen(chat_places, *this);
        case family::speech: return q.listen(speech_places, *this);
        default: return q.listen(common_places, *this);
    }
}

std::string_view body_facts::state() const noexcept {
    if (!state_.empty()) return state_;
    return approves_ && !approval_asked_ ? "input[].approval_request_id" : "";
}

// The references are kept, all of them: each is proved by itself.
void body_facts::found(std::string_view member, std::string_view reference) noexcept {
    if (state_.empty()) state_ = member;
    if (!reference.empty()) needs_.references.push_back({member, reference});
}

body_needs body_facts::take_needs() noexcept {
    needs_.state = state();
    return std::move(needs_);
}

// A name that cannot be decoded is asked for as it stands, and no route has it.
void body_facts::names(std::string_view raw, core::family f) noexcept {
    std::array<char, 256> memory;
    const auto name = short_text(raw, memory);
    const auto asked = name.empty() ? raw.substr(0, memory.size()) : name;
    for (const auto& d : needs_.deployments)
        if (d.name == asked && d.family == f) return;
    needs_.too_many = needs_.too_many || needs_.deployments.size() == most_deployments;
    if (needs_.too_many) return;
    needs_.deployments.push_back({std::string(asked), f});
}

void body_facts::on_value(std::uint8_t place, std::string_view name, json_kind kind, std::string_view raw) noexcept {
    if (kind == json_kind::null) {
        if (family_ == family::responses && is_bare(place)) ++item_.bare;
        return;
    }
    switch (place) {
        case data_sources:
        case data_sources_camel: return in_own_data(name, kind, raw);
        case engine:
        case deployment:
        case deployment_id:
        case deployment_name:
            if (kind == json_kind::string) names(raw, family_);
            return;
        default: break;
    }
    switch (family_) {
        case family::responses: return in_responses(place, kind, raw);
        case family::chat: return in_chat(place, kind, raw);
        case family::speech:
            if (place == speech_place::voice_id) {
                found("voice.id");
                needs_.unknown = "voice.id";
            }
            return;
        default: return;
    }
}

void body_facts::in_own_data(std::string_view name, json_kind kind, std::string_view raw) noexcept {
    needs_.own_data = true;
    // An embedding_dependency names the deployment that makes vectors of the question.
    if (kind == json_kind::string && speaks_of_deployments(name)) names(raw, family::embeddings);
}

void body_facts::in_chat(std::uint8_t place, json_kind kind, std::string_view raw) noexcept {
    switch (place) {
        case chat_place::store:
            if (kind != json_kind::true_value) return;
            needs_.keeps_chat = true;
            return found("store");
        case chat_place::file_id: return found("messages[].content[].file.file_id", raw);
        case chat_place::message_audio_id: return found("messages[].audio.id", raw);
        case chat_place::audio_voice_id: needs_.unknown = "audio.voice.id"; return found("audio.voice.id");
        default: return;
    }
}

void body_facts::in_responses(std::uint8_t place, json_kind kind, std::string_view raw) noexcept {
    switch (place) {
        case at::store:
            if (kind == json_kind::false_value) needs_.stores = false;
            return;
        case at::background:
            if (kind == json_kind::true_value) found("background");
            return;
        case at::tool_container:
            if (kind == json_kind::string) found("tools[].container", raw);
            return;
        case at::tool_type:
            if (kind == json_kind::string) in_tool_type(raw);
            return;
        // An image tool names the deployment that paints.
        case at::tool_model:
            if (kind == json_kind::string) names(raw, family::images);
            return;
        case at::item: item_ = {}; return;
        case at::item_type:
        case at::item_id:
        case at::item_status:
        case at::item_encrypted_content: return in_item(place, kind, raw);
        default: break;
    }
    for (const auto& m : state_members) {
        if (m.place != place) continue;
        if (!m.known) needs_.unknown = "agent or skill";
        // An object, such as {"id": ...}, holds its reference inside.
        const bool refers = m.known && kind != json_kind::object;
        found(m.member, refers ? raw : std::string_view{});
    }
}

void body_facts::in_item(std::uint8_t place, json_kind kind, std::string_view raw) noexcept {
    if (is_bare(place)) ++item_.bare;
    if (place == at::item_encrypted_content) item_.encrypted = true;
    if (place == at::item_id) {
        item_.id = true;
        item_.raw_id = raw;
    }
    if (place != at::item_type || kind != json_kind::string) return;
    item_.type = true;
    std::array<char, 256> memory;
    const auto type = short_text(raw, memory);
    if (type == "item_reference") item_.reference = true;
    if (type == "reasoning") item_.reasoning = true;
    if (type == "mcp_approval_response") approves_ = true;
    if (type == "mcp_approval_request") approval_asked_ = true;
}

void body_facts::in_tool_type(std::string_view raw) noexcept {
    std::array<char, 256> memory;
    const auto type = short_text(raw, memory);
    for (const auto prefix : own_data_tools)
        if (type.starts_with(prefix)) needs_.own_data = true;
}

// The item is over: what it is has been seen, in whatever order.
void body_facts::on_close(std::uint8_t place, std::uint32_t members) noexcept {
    if (family_ != family::responses || place != at::item) return;
    if (item_.encrypted) {
        needs_.reasoning = "input[].encrypted_content";
    } else if (item_.reasoning && item_.id) {
        if (needs_.reasoning.empty()) needs_.reasoning = "input[].id of a reasoning item";
        needs_.references.push_back({"input[].id of a reasoning item", item_.raw_id});
    } else if (item_.reference || (item_.id && !item_.type && members == item_.bare)) {
        found("input[].id of an item_reference", item_.raw_id);
    } else if (item_.id && members == item_.bare) {
        found("input[].id without content", item_.raw_id);
    }
}

}  // namespace spillway::core
