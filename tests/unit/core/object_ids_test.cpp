#include <gtest/gtest.h>

#include <string>

#include <spillway/core/object_ids.hpp>

namespace spillway::core {
namespace object_ids_test {

TEST(object_ids, values_that_an_instance_gives) {
    for (const auto* id : {"resp_68a1b2c3d4", "file-9Zq4Tb", "assistant-abc123", "conv_abcdef", "vs_abc123",
                           "cntr_68abcdef", "msg_0a1b2c-_x", "chatcmpl-AbCdEf", "task_01k123", "batch_0a1b2c3d"})
        EXPECT_TRUE(is_object_id(id)) << id;
}

TEST(object_ids, other_values_are_left_alone) {
    for (const auto* other : {"", "auto", "resp_", "resp_12345", "r_1234567", "_1234567", "resp", "call_1234567890",
                              "chatcmpl-tool-1234567", "user-abcdefgh", "org-abcdefgh", "file-abc 1234567",
                              "file-abcd.ef1234", "file%2Dabcdefgh",
                              "conv_\xC3\xA4"
                              "bcdefg",
                              "file-abcdef/content"})
        EXPECT_FALSE(is_object_id(other)) << other;
    const std::string longest = "resp_" + std::string(395, 'a');
    EXPECT_TRUE(is_object_id(longest));
    EXPECT_FALSE(is_object_id(longest + "a"));
}

id_kind kind_of(std::string_view member, std::string_view parent = {}) {
    const int at = object_members.find(member);
    EXPECT_GE(at, 0) << member;
    return kind_of_member(at, object_members.find(parent));
}

TEST(object_ids, members_are_references_but_for_an_items_own_id_and_reasoning) {
    for (const auto* member : {"previous_response_id", "conversation", "file_id", "file_ids", "vector_store_ids",
                               "container", "assistant_id", "thread_id", "input_file_id", "training_file"})
        EXPECT_EQ(kind_of(member), id_kind::reference) << member;
    EXPECT_EQ(kind_of("id"), id_kind::own_id);
    EXPECT_EQ(kind_of("id", "container"), id_kind::own_id);
    EXPECT_EQ(kind_of("id", "conversation"), id_kind::reference);
    EXPECT_EQ(kind_of("id", "prompt"), id_kind::reference);
    EXPECT_EQ(kind_of("encrypted_content"), id_kind::reasoning);
    EXPECT_EQ(kind_of("prompt"), id_kind::text) << "a string there is what to paint";
}

TEST(object_ids, what_clients_and_models_write_is_opaque) {
    for (const auto* member : {"metadata", "attributes", "parameters", "schema", "json_schema", "logit_bias"})
        EXPECT_TRUE(object_members[object_members.find(member)].opaque) << member;
    for (const auto* member : {"id", "file_id", "encrypted_content"})
        EXPECT_FALSE(object_members[object_members.find(member)].opaque) << member;
    for (const auto* none : {"call_id", "name", "arguments", "content", "text"})
        EXPECT_EQ(object_members.find(none), -1) << none;
}

TEST(object_ids, the_previous_response_has_a_code_of_its_own) {
    EXPECT_TRUE(names_previous_response(object_members.find("previous_response_id")));
    EXPECT_FALSE(names_previous_response(object_members.find("response_id")));
    const auto f = previous_response_not_found(std::string(300, 'x'));
    EXPECT_EQ(f.code, "previous_response_not_found");
    EXPECT_EQ(f.status, 400);
    EXPECT_EQ(f.message.find(std::string(101, 'x')), std::string::npos) << "what a client sent is told in part";
}

TEST(object_ids, parameters_that_hold_ids) {
    for (const auto* name : {"after", "before", "run_id", "%61fter", "BEFORE", "run%5Fid"})
        EXPECT_TRUE(param_holds_id(name)) << name;
    for (const auto* name : {"", "limit", "order", "api-version", "include[]"})
        EXPECT_FALSE(param_holds_id(name)) << name;
}

TEST(object_ids, refusals_are_the_clients_and_have_their_status) {
    for (const auto& [f, status] : {std::pair{object_not_found("the id in the path"), 404},
                                    {objects_apart(), 400},
                                    {object_gone(), 410},
                                    {object_elsewhere("gpt-4o"), 400},
                                    {lists_not_served(), 400}}) {
        EXPECT_EQ(f.status, status) << f.code;
        EXPECT_EQ(f.who, origin::client) << f.code;
    }
    EXPECT_NE(object_not_found("the id in the path").message.find("the id in the path"), std::string::npos);
}

}  // namespace object_ids_test
}  // namespace spillway::core
