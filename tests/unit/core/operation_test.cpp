#include <spillway/core/operation.hpp>

#include <gtest/gtest.h>

namespace spillway::core {
namespace {

TEST(classify, knows_the_operations_of_both_generations) {
    const std::tuple<std::string_view, std::string_view, std::string_view, generation> cases[] = {
        {"POST", "/openai/deployments/gpt-4o/chat/completions", "chat", generation::dated},
        {"POST", "/openai/deployments/x/completions", "completions", generation::dated},
        {"POST", "/openai/deployments/x/embeddings", "embeddings", generation::dated},
        {"POST", "/openai/deployments/x/images/generations", "images", generation::dated},
        {"POST", "/openai/deployments/x/audio/speech", "speech", generation::dated},
        {"POST", "/openai/v1/chat/completions", "chat", generation::v1},
        {"POST", "/v1/chat/completions", "chat", generation::v1},
        {"POST", "/openai/v1/responses", "responses", generation::v1},
        {"GET", "/openai/v1/models", "models", generation::v1},
        {"GET", "/openai/v1/models/gpt-4o", "models", generation::v1},
        {"GET", "/openai/models", "models", generation::dated},
        {"HEAD", "/openai/v1/models", "models", generation::v1},
        {"HEAD", "/openai/models/gpt-4o", "models", generation::dated},
        {"POST", "/openai/deployments/openai%2Fgpt-4o/embeddings", "embeddings", generation::dated},
    };
    for (const auto& [method, path, name, g] : cases) {
        const auto c = classify(method, path);
        ASSERT_TRUE(c) << path;
        EXPECT_EQ(c->op->name, name) << path;
        EXPECT_EQ(c->op->generation, g) << path;
    }
    EXPECT_EQ(classify("POST", "/openai/deployments/a%20b/embeddings")->deployment_raw, "a%20b");
    EXPECT_EQ(classify("GET", "/v1/models/x%20y")->model_id, "x%20y");
    EXPECT_EQ(classify("GET", "/openai/models/openai/gpt-4o")->model_id, "openai/gpt-4o");
    EXPECT_EQ(classify("GET", "/openai/v1/models")->model_id, "");
}

TEST(classify, objects_are_asked_for_by_their_ids) {
    const std::tuple<std::string_view, std::string_view, std::string_view, generation, object_role> cases[] = {
        {"POST", "/openai/v1/files", "files", generation::v1, object_role::makes},
        {"GET", "/openai/files", "files", generation::dated, object_role::lists},
        {"GET", "/openai/v1/responses/resp_1", "responses", generation::v1, object_role::uses},
        {"POST", "/openai/responses/compact", "responses", generation::dated, object_role::makes},
        {"POST", "/openai/threads/runs", "threads", generation::dated, object_role::uses},
        {"GET", "/openai/v1/threads/t/runs/r/steps/s", "threads", generation::v1, object_role::uses},
        {"GET", "/openai/v1/chat/completions", "stored_chats", generation::v1, object_role::lists},
        {"POST", "/openai/deployments/x/batches", "batches", generation::dated, object_role::makes},
        {"GET", "/openai/v1/video/generations/g_1/content/video", "videos", generation::v1, object_role::uses},
        {"POST", "/openai/responses", "responses", generation::dated, object_role::none},
    };
    for (const auto& [method, path, name, g, role] : cases) {
        const auto c = classify(method, path);
        ASSERT_TRUE(c) << path;
        EXPECT_EQ(c->op->name, name) << path;
        EXPECT_EQ(c->op->generation, g) << path;
        EXPECT_EQ(c->op->role, role) << path;
    }
    const auto step = classify("GET", "/openai/v1/threads/t/runs/r/steps/s");
    ASSERT_EQ(step->id_count, 3U);
    EXPECT_EQ(step->ids, (std::array<std::string_view, 3>{"t", "r", "s"}));
    EXPECT_EQ(classify("GET", "/openai/v1/video/generations/jobs")->op->role, object_role::lists);
}

TEST(upstream_target, of_an_object_has_the_ids_that_stand_in_it) {
    auto c = *classify("GET", "/v1/threads/t/runs/r-tag");
    c.ids[1] = "r";
    std::string out;
    append_upstream_target(out, c, "", "dep", "after=x", {});
    EXPECT_EQ(out, "/openai/v1/threads/t/runs/r?after=x");
    out.clear();
    append_upstream_target(out, *classify("POST", "/openai/deployments/x/batches"), "", "dep", "", "2024-10-21");
    EXPECT_EQ(out, "/openai/deployments/dep/batches?api-version=2024-10-21");
}

TEST(operation_names, groups_stand_for_all_of_their_kind) {
    EXPECT_EQ(operation_bits("stateless") & operation_bits("objects"), 0U);
    EXPECT_NE(operation_bits("stateless") & operation_bits("chat"), 0U);
    EXPECT_NE(operation_bits("objects") & operation_bits("files"), 0U);
    EXPECT_EQ(operation_bits("nothing"), 0U);
    for (const auto name : operation_names())
        EXPECT_NE((operation_bits("stateless") | operation_bits("objects")) & operation_bits(name), 0U) << name;
}

TEST(classify, tells_unknown_unserved_and_wrong_methods_apart) {
    const std::tuple<std::string_view, std::string_view, int> cases[] = {
        {"GET", "/openai/v1/embeddings", 405},
        {"POST", "/openai/v1/models", 405},
        {"DELETE", "/openai/deployments/x/chat/completions", 405},
        {"GET", "/openai/realtime", 400},
        {"PUT", "/openai/v1/files", 405},
        {"GET", "/openai/v1/responses/resp_1/cancel", 405},
        {"POST", "/openai/v1/moderations", 404},
        {"GET", "/openai/v1/files/a/b", 404},
        {"GET", "/openai/v1/files/", 404},
        {"POST", "/openai/v1/filesystem", 404},
        {"POST", "/openai/deployments/x/nothing", 404},
        {"POST", "/openai/deployments//chat/completions", 404},
        {"POST", "/openai/deployments/x", 404},
        {"GET", "/", 404},
        {"GET", "/openai/deployments/x/models", 404},
        {"POST", "/OPENAI/v1/chat/completions", 404},
    };
    for (const auto& [method, path, status] : cases) {
        const auto c = classify(method, path);
        ASSERT_FALSE(c) << path;
        EXPECT_EQ(c.error().status, status) << path;
    }
}

TEST(classify, not_served_is_said_of_what_is_not_served_alone) {
    const std::tuple<std::string_view, std::string_view, std::string_view> cases[] = {
        // Chat and Responses are served, in another place.
        {"POST", "/openai/chat/completions", "NotFound"},
        {"POST", "/openai/embeddings", "NotFound"},
        {"POST", "/openai/deployments/x/responses", "NotFound"},
        {"GET", "/openai/deployments/x/responses", "NotFound"},
        {"POST", "/openai/deployments/x/chat/completions/1", "NotFound"},
        {"GET", "/openai/realtime", "OperationNotSupported"},
        {"PUT", "/openai/v1/chat/completions", "MethodNotAllowed"},
        {"HEAD", "/openai/v1/chat/completions", "MethodNotAllowed"},
        {"GET", "/openai/v1/responses", "MethodNotAllowed"},
        {"GET", "/openai/deployments/x/chat/completions", "MethodNotAllowed"},
    };
    for (const auto& [method, path, code] : cases) {
        const auto c = classify(method, path);
        ASSERT_FALSE(c) << path;
        EXPECT_EQ(c.error().code, code) << method << ' ' << path;
    }
    const auto how = [](std::string_view path) { return classify("POST", path).error().message; };
    EXPECT_NE(how("/openai/chat/completions").find("/openai/deployments/{deployment}/chat/completions"),
              std::string::npos);
    EXPECT_NE(how("/openai/chat/completions").find("/openai/v1/chat/completions"), std::string::npos);
}

TEST(classify, a_path_tells_its_methods_and_its_name) {
    EXPECT_EQ(allowed_methods("/openai/v1/chat/completions"), "GET, POST");
    EXPECT_EQ(allowed_methods("/openai/deployments/x/embeddings"), "POST");
    EXPECT_EQ(allowed_methods("/v1/models"), "GET, HEAD");
    EXPECT_EQ(allowed_methods("/openai/models/gpt-4o"), "GET, HEAD");
    EXPECT_EQ(allowed_methods("/openai/v1/files"), "GET, POST");
    EXPECT_EQ(allowed_methods("/openai/v1/files/file-1"), "GET, DELETE");
    EXPECT_EQ(allowed_methods("/"), "");
    EXPECT_EQ(name_in_path("/openai/deployments/a%2Fb/embeddings"), "a%2Fb");
    EXPECT_EQ(name_in_path("/openai/v1/models/a/b"), "a/b");
    EXPECT_EQ(name_in_path("/openai/v1/chat/completions"), "");
    EXPECT_EQ(name_in_path("/openai/deployments/a%2Fb"), "");
}

std::string target(std::string_view path, std::string_view query, std::string_view pinned = {},
                   std::string_view prefix = {}) {
    std::string out;
    append_upstream_target(out, *classify("POST", path), prefix, "my dep/1", query, pinned);
    return out;
}

TEST(upstream_target, has_the_backends_name_where_the_clients_was) {
    EXPECT_EQ(target("/openai/deployments/gpt/chat/completions", "api-version=2024-10-21"),
              "/openai/deployments/my%20dep%2F1/chat/completions?api-version=2024-10-21");
    EXPECT_EQ(target("/v1/embeddings", ""), "/openai/v1/embeddings");
    EXPECT_EQ(target("/openai/v1/embeddings", "api-version=preview", "", "/ai"),
              "/ai/openai/v1/embeddings?api-version=preview");
}

TEST(upstream_target, a_pinned_version_replaces_the_clients_on_dated_paths) {
    EXPECT_EQ(target("/openai/deployments/g/embeddings", "a=1&api-version=old&b=2", "2024-10-21"),
              "/openai/deployments/my%20dep%2F1/embeddings?a=1&b=2&api-version=2024-10-21");
    EXPECT_EQ(target("/openai/deployments/g/embeddings", "", "2024-10-21"),
              "/openai/deployments/my%20dep%2F1/embeddings?api-version=2024-10-21");
    EXPECT_EQ(target("/openai/v1/embeddings", "api-version=v1", "2024-10-21"),
              "/openai/v1/embeddings?api-version=v1");
}

std::string openai_target(std::string_view path, std::string_view query) {
    std::string out;
    append_upstream_target(out, *classify("POST", path), "/v1", "my dep/1", query, {}, config::instance_kind::openai);
    return out;
}

TEST(upstream_target, of_kind_openai_is_the_v1_form_below_the_base_path) {
    EXPECT_EQ(openai_target("/openai/deployments/gpt/chat/completions", "api-version=2024-10-21"),
              "/v1/chat/completions");
    EXPECT_EQ(openai_target("/openai/deployments/gpt/images/generations", "a=1&Api-Version=2024-10-21&b"),
              "/v1/images/generations?a=1&b");
    EXPECT_EQ(openai_target("/openai/v1/responses", "api-version=preview"), "/v1/responses");
    EXPECT_EQ(openai_target("/v1/audio/speech", ""), "/v1/audio/speech");
}

TEST(kind_openai, has_every_operation_whose_model_a_body_names) {
    for (const auto* path : {"/openai/deployments/x/chat/completions", "/openai/deployments/x/completions",
                             "/openai/deployments/x/embeddings", "/openai/deployments/x/images/generations",
                             "/openai/deployments/x/audio/speech", "/v1/responses", "/v1/embeddings"})
        EXPECT_TRUE(fits_openai(*classify("POST", path)->op)) << path;
    EXPECT_FALSE(fits_openai(*classify("GET", "/v1/models")->op));
}

TEST(kind_openai, a_missing_model_is_known_in_the_words_of_each_server) {
    const std::string_view missing[] = {
        R"_({"error":{"message":"The model `x` does not exist.","param":null,"code":"model_not_found"}})_",
        R"_({"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","code":404})_",
        R"_({"error":{"message":"The model `x` does not exist.","type":"NotFoundError","code":404}})_",
        R"_({"error":{"message":"model \"x\" not found, try pulling it first","type":"api_error","code":null}})_",
        R"_({"error":"model 'x' not found"})_",
        R"_({"error":{"message":"Invalid URL (POST /chat/completions)","type":"invalid_request_error"}})_",
        R"_({"detail":"Not Found"})_",
    };
    for (const auto yes : missing) EXPECT_TRUE(says_model_missing(yes)) << yes;
    // What a client wrote may be repeated in a message, and must not take a backend away from others.
    const std::string_view of_clients[] = {
        R"_({"error":{"message":"No prompt with id 'The model `x` does not exist.'","code":null}})_",
        R"_({"error":{"code":"not_found","message":"Prompt 'model_not_found' not found."}})_",
        R"_({"error":{"code":"model_not_found","param":"tools[0].model","message":"The model `x` does not exist"}})_",
        R"_({"error":{"code":"DeploymentNotFound","message":"x"}})_",
        "404 page not found",
        "",
    };
    for (const auto no : of_clients) EXPECT_FALSE(says_model_missing(no)) << no;
}

}  // namespace
}  // namespace spillway::core
