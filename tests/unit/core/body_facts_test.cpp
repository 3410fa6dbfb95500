#include <gtest/gtest.h>

#include <spillway/core/body_facts.hpp>

namespace spillway::core {
namespace {

struct heard {
    std::string state;
    body_needs needs;
};

heard look_at(family f, std::string_view body) {
    http::json_query q;
    body_facts facts(f);
    facts.attach(q);
    EXPECT_EQ(http::scan_json_object(body, q), http::json_error::none) << body;
    heard out;
    out.state = facts.state();
    out.needs = facts.take_needs();
    return out;
}

TEST(body_facts, state_of_one_instance_is_told_by_its_member) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {R"({"previous_response_id":"resp_1"})", "previous_response_id"},
        {R"({"conversation":"conv_1"})", "conversation"},
        {R"({"conversation":{"id":"conv_1"}})", "conversation"},
        {R"({"background":true})", "background"},
        {R"({"prompt":{"version":"2","id":"pmpt_1"}})", "prompt.id"},
        {R"({"agent":{"name":"a","type":"agent_reference"}})", "agent"},
        {R"({"input":[{"role":"user","content":"hi"},{"type":"item_reference","id":"fc_1"}]})",
         "input[].id of an item_reference"},
        {R"({"input":[{"id":"msg_1","type":"item_\u0072eference"}]})", "input[].id of an item_reference"},
        {R"({"input":[{"id":"msg_1"}]})", "input[].id of an item_reference"},
        {R"({"input":[{"id":"msg_1","type":null}]})", "input[].id of an item_reference"},
        {R"({"input":[{"id":"msg_1","type":"message","status":null}]})", "input[].id without content"},
        {R"({"input":[{"type":"image_generation_call","id":"ig_1"}]})", "input[].id without content"},
        {R"({"input":[{"type":"mcp_approval_response","approval_request_id":"mcpr_1","approve":true}]})",
         "input[].approval_request_id"},
        {R"({"input":[{"type":"code_interpreter_call","id":"ci_1","code":"1","container_id":"cntr_1"}]})",
         "input[].container_id"},
        {R"({"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]})",
         "input[].content[].file_id"},
        {R"({"input":[{"type":"input_file","file_id":"file-1"}]})", "input[].file_id"},
        {R"({"input":[{"type":"function_call_output","call_id":"c","output":[{"type":"input_image","file_id":"f"}]}]})",
         "input[].output[].file_id"},
        {R"({"input":[{"type":"computer_call_output","call_id":"c","output":{"file_id":"f"}}]})",
         "input[].output.file_id"},
        {R"({"tools":[{"type":"code_interpreter","container":"cntr_1"}]})", "tools[].container"},
        {R"({"tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":["file-1"]}}]})",
         "tools[].container.file_ids"},
        {R"({"tools":[{"type":"file_search","vector_store_ids":["vs_1"]}]})", "tools[].vector_store_ids"},
        {R"({"tools":[{"type":"image_generation","input_image_mask":{"file_id":"f"}}]})",
         "tools[].input_image_mask.file_id"},
        {R"({"tools":[{"type":"shell","environment":{"type":"container_reference","container_id":"cntr_1"}}]})",
         "tools[].environment.container_id"},
    };
    for (const auto& [body, member] : cases) EXPECT_EQ(look_at(family::responses, body).state, member) << body;
}

TEST(body_facts, the_same_words_elsewhere_are_no_state) {
    for (
        const std::string_view body : {
            R"({"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{"container":{"type":"string"},
                 "file_id":{"type":"string"},"vector_store_ids":{"type":"array"},"encrypted_content":{},"id":{}}}}]})",
            R"({"text":{"format":{"type":"json_schema","schema":{"properties":{"container":{"type":"string"}}}}}})",
            R"({"metadata":{"container":"a","file_id":"b","previous_response_id":"c","conversation":"d"}})",
            R"({"tools":[{"type":"code_interpreter","container":{"type":"auto"}}]})",
            R"({"tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":[]}}]})",
            R"({"input":"item_reference file_id"})",
            R"({"input":[{"type":"function_call","id":"fc_1","call_id":"c","name":"f","arguments":"{\"file_id\":\"x\"}"}]})",
            R"({"input":[{"type":"message","id":"msg_1","role":"assistant","status":"completed",
                 "content":[{"type":"output_text","text":"x","annotations":[{"type":"file_citation","file_id":"f"}]}]}]})",
            R"({"input":[{"role":"user","content":"hi"}],"previous_response_id":null,"conversation":null,"background":false})",
            R"({"input":[{"type":"mcp_approval_request","id":"mcpr_1","name":"n","arguments":"{}","server_label":"s"},
                 {"type":"mcp_approval_response","approval_request_id":"mcpr_1","approve":true}]})",
            R"({"prompt":{"type":"item_reference"},"input":[]})",
        }) {
        const auto h = look_at(family::responses, body);
        EXPECT_EQ(h.state, "") << body;
        EXPECT_FALSE(h.needs.any()) << body;
    }
}

TEST(body_facts, reasoning_needs_the_instance_that_wrote_it) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {R"({"input":[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAA"}]})",
         "input[].encrypted_content"},
        {R"({"input":[{"encrypted_content":"gAAA","type":"compaction"}]})", "input[].encrypted_content"},
        {R"({"input":[{"id":"rs_1","summary":[],"type":"reasoning"}]})", "input[].id of a reasoning item"},
        {R"({"input":[{"id":"rs_1","summary":[],"type":"reasoning","encrypted_content":null}]})",
         "input[].id of a reasoning item"},
        {R"({"input":[{"type":"reasoning","summary":[]}]})", ""},
        {R"({"include":["reasoning.encrypted_content"],"input":"x"})", ""},
    };
    for (const auto& [body, member] : cases) {
        const auto h = look_at(family::responses, body);
        EXPECT_EQ(h.needs.reasoning, member) << body;
        EXPECT_EQ(h.state, "") << body;
    }
}

TEST(body_facts, state_of_chat_and_speech) {
    const std::tuple<family, std::string_view, std::string_view> cases[] = {
        {family::chat, R"({"store":true})", "store"},
        {family::chat, R"({"store":false,"metadata":{"store":true}})", ""},
        {family::chat, R"({"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]})",
         "messages[].content[].file.file_id"},
        {family::chat, R"({"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:"}}]}]})",
         ""},
        {family::chat, R"({"messages":[{"role":"assistant","audio":{"id":"audio_1"}}]})", "messages[].audio.id"},
        {family::chat, R"({"audio":{"voice":"alloy","format":"wav"}})", ""},
        {family::chat, R"({"audio":{"voice":{"id":"voice_1"}}})", "audio.voice.id"},
        {family::chat, R"({"previous_response_id":"resp_1"})", ""},
        {family::speech, R"({"voice":{"id":"voice_1"}})", "voice.id"},
        {family::speech, R"({"voice":"alloy"})", ""},
        {family::embeddings, R"({"store":true,"input":[{"id":"x"}]})", ""},
    };
    for (const auto& [f, body, member] : cases) EXPECT_EQ(look_at(f, body).state, member) << body;
}

// Member and value of each reference, one behind the other.
std::string references_of(family f, std::string_view body) {
    std::string out;
    for (const auto& r : look_at(f, body).needs.references)
        out.append(r.member).append("=").append(r.raw).append(" ");
    return out;
}

TEST(body_facts, all_references_are_kept_with_their_values) {
    const std::tuple<family, std::string_view, std::string_view> cases[] = {
        {family::responses, R"({"previous_response_id":"resp_1","tools":[{"vector_store_ids":["vs_1","vs_2"]}]})",
         R"(previous_response_id="resp_1" tools[].vector_store_ids="vs_1" tools[].vector_store_ids="vs_2" )"},
        {family::responses, R"({"conversation":"conv_1"})", R"(conversation="conv_1" )"},
        {family::responses, R"({"tools":[{"type":"code_interpreter","container":"cntr_1"}]})",
         R"(tools[].container="cntr_1" )"},
        {family::responses, R"({"input":[{"type":"item_reference","id":"rs_\u0031"}]})",
         R"(input[].id of an item_reference="rs_\u0031" )"},
        {family::responses, R"({"input":[{"id":"rs_1","type":"reasoning","summary":[]}]})",
         R"(input[].id of a reasoning item="rs_1" )"},
        {family::responses, R"({"input":[{"id":"msg_1","role":"user","content":"x"}]})", ""},
        {family::responses, R"({"background":true,"store":true})", ""},
        {family::responses, R"({"metadata":{"file_id":"file-1"}})", ""},
        {family::chat, R"({"store":true})", ""},
        {family::chat, R"({"messages":[{"content":[{"file":{"file_id":"file-1"}},{"file":{"file_id":"file-2"}}]}]})",
         R"(messages[].content[].file.file_id="file-1" messages[].content[].file.file_id="file-2" )"},
    };
    for (const auto& [f, body, wanted] : cases) EXPECT_EQ(references_of(f, body), wanted) << body;
}

TEST(body_facts, what_is_stored_and_what_no_gateway_can_look_after) {
    EXPECT_TRUE(look_at(family::responses, R"({"input":"x"})").needs.stores) << "Responses are stored unless told";
    EXPECT_FALSE(look_at(family::responses, R"({"store":false})").needs.stores);
    EXPECT_TRUE(look_at(family::responses, R"({"metadata":{"store":false}})").needs.stores);
    EXPECT_TRUE(look_at(family::chat, R"({"store":true})").needs.keeps_chat);
    EXPECT_FALSE(look_at(family::chat, R"({"store":false})").needs.keeps_chat);
    EXPECT_FALSE(look_at(family::chat, R"({"messages":[]})").needs.keeps_chat);
    EXPECT_EQ(look_at(family::responses, R"({"agent":{"name":"a"}})").needs.unknown, "agent or skill");
    EXPECT_EQ(look_at(family::chat, R"({"audio":{"voice":{"id":"voice_1"}}})").needs.unknown, "audio.voice.id");
    EXPECT_EQ(look_at(family::speech, R"({"voice":{"id":"voice_1"}})").needs.unknown, "voice.id");
    EXPECT_EQ(look_at(family::responses, R"({"conversation":"conv_1"})").needs.unknown, "");
}

TEST(body_facts, data_of_the_instance_and_deployments_that_it_would_use) {
    const auto h =
        look_at(family::chat, R"({"data_sources":[{"type":"azure_search","parameters":{"endpoint":"https://s",
        "authentication":{"type":"system_assigned_managed_identity"},
        "embedding_dependency":{"type":"deployment_name","deployment_name":"secret"}}}]})");
    EXPECT_TRUE(h.needs.own_data);
    ASSERT_EQ(h.needs.deployments.size(), 1U);
    EXPECT_EQ(h.needs.deployments[0].name, "secret");
    EXPECT_EQ(h.needs.deployments[0].family, family::embeddings);
    for (const std::string_view body : {R"({"dataSources":[{"parameters":{"embeddingDeploymentName":"secret"}}]})",
                                        R"({"data_sources":{"a":[[[{"\u0064eployment":"secret"}]]]}})",
                                        R"({"data_sources":[{"deployments":["secret"]}]})"}) {
        const auto other = look_at(family::chat, body);
        EXPECT_TRUE(other.needs.own_data) << body;
        ASSERT_EQ(other.needs.deployments.size(), 1U) << body;
        EXPECT_EQ(other.needs.deployments[0].name, "secret") << body;
    }
    EXPECT_FALSE(look_at(family::chat, R"({"data_sources":null,"metadata":{"data_sources":[]}})").needs.any());
    for (const auto* tool :
         {"azure_ai_search", "bing_grounding", "fabric_dataagent_preview", "sharepoint_grounding_preview"})
        EXPECT_TRUE(
            look_at(family::responses, R"({"tools":[{"type":")" + std::string(tool) + R"("}]})").needs.own_data)
            << tool;
    EXPECT_FALSE(look_at(family::responses, R"({"tools":[{"type":"web_search"},{"type":"mcp"}]})").needs.own_data);
}

TEST(body_facts, other_deployments_that_a_body_names) {
    const auto painted = look_at(family::responses, R"({"tools":[{"type":"image_generation","model":"secret"}]})");
    ASSERT_EQ(painted.needs.deployments.size(), 1U);
    EXPECT_EQ(painted.needs.deployments[0].family, family::images);
    for (const auto* name : {"engine", "deployment", "deployment_id", "deployment_name"}) {
        const auto h = look_at(family::embeddings, "{\"" + std::string(name) + "\":\"secret\"}");
        ASSERT_EQ(h.needs.deployments.size(), 1U) << name;
        EXPECT_EQ(h.needs.deployments[0].family, family::embeddings);
    }
    std::string many = R"({"tools":[{})";
    for (int i = 0; i < 100; ++i) many += ",{\"model\":\"same\"},{\"model\":\"m" + std::to_string(i) + "\"}";
    const auto h = look_at(family::responses, many + "]}");
    EXPECT_TRUE(h.needs.too_many);
    EXPECT_EQ(h.needs.deployments.size(), most_deployments);
}

}  // namespace
}  // namespace spillway::core
