#include <gtest/gtest.h>

#include <spillway/core/error_words.hpp>

namespace spillway::core {
namespace {

error_words words(std::string code, std::string inner = {}, int status = 0) {
    error_words e;
    e.code = std::move(code);
    e.inner_code = std::move(inner);
    e.status = status;
    return e;
}

TEST(error_words, are_read_as_members_at_their_places) {
    const struct {
        const char* json;
        error_words expected;
    } rows[] = {
        {R"({"error":{"code":"DeploymentNotFound","message":"m"}})", words("DeploymentNotFound")},
        {R"({"error":{"message":"DeploymentNotFound","code":null}})", words("")},
        {R"({"error":{"message":"\"code\":\"DeploymentNotFound\"","type":"invalid_request_error"}})", words("")},
        {R"({"error":{"details":[{"code":"DeploymentNotFound"}],"param":{"code":"DeploymentNotFound"}}})", words("")},
        {R"({"error":{"code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}})",
         words("content_filter", "ResponsibleAIPolicyViolation", 400)},
        {R"({"code":"NotFound","message":"m"})", words("NotFound")},
        {R"({"statusCode":401,"message":"m"})", words("", "", 401)},
        {R"({"error":{"c\u006fde":429}})", words("429")},
        {R"({"error":{"status":"503"}})", words("", "", 503)},
        {R"({"error":{"status":"failed","code":7}})", words("7")},
        {R"({"type":"error","code":"server_error","sequence_number":3})", words("server_error")},
        {R"({"type":"error","error":{"code":"server_is_overloaded"}})", words("server_is_overloaded")},
        {R"({"type":"response.failed","response":{"id":"r","status":"failed","error":{"code":"invalid_prompt"}}})",
         words("invalid_prompt")},
        {R"({"status":"failed","last_error":{"code":"rate_limit_exceeded"}})", words("rate_limit_exceeded")},
        {R"({"error":"a text"})", words("")},
        {R"({"error":{"code":"a","code":"b"}})", words("")},
        {R"({"error":{"code":"cut)", words("")},
        {R"([{"code":"a"}])", words("")},
        {"Bad Gateway", words("")},
        {"", words("")},
    };
    for (const auto& r : rows) EXPECT_EQ(read_error(r.json), r.expected) << r.json;
    EXPECT_EQ(read_error("{\"error\":{\"code\":\"" + std::string(10'000, 'x') + "\"}}").code, "");
}

TEST(error_words, may_tell_how_long_to_stay_away) {
    EXPECT_EQ(read_error(R"({"error":{"retry_after":3}})").told, seconds(3));
    EXPECT_EQ(read_error(R"({"error":{"retry_after":"1.5"}})").told, milliseconds(1500));
    EXPECT_EQ(read_error(R"({"error":{"retry_after_ms":250,"retry_after":1}})").told, milliseconds(250));
    EXPECT_EQ(read_error(R"({"error":{"retry_after":-1}})").told, std::nullopt);
    EXPECT_EQ(read_error(R"({"retry_after":{}})").told, std::nullopt);
}

TEST(error_words, stand_for_a_status) {
    const struct {
        error_words of;
        int expected;
    } rows[] = {
        {words("rate_limit_exceeded"), 429},
        {words("RateLimitReached"), 429},
        {words("too_many_requests"), 429},
        {words("TooManyRequests"), 429},
        {words("insufficient_quota"), 429},
        {words("NoCapacity"), 429},
        {words("429"), 429},
        {words("", "", 429), 429},
        {words("server_error"), 500},
        {words("server_is_overloaded"), 500},
        {words("overloaded_error"), 500},
        {words("internal_server_error"), 500},
        {words("InternalServerError"), 500},
        {words("503"), 503},
        {words("", "", 529), 529},
        {words("", "", 408), 504},
        {words("timeout"), 504},
        {words("vector_store_timeout"), 504},
        {words("context_length_exceeded"), 400},
        {words("content_filter", "ResponsibleAIPolicyViolation", 400), 400},
        {words("", "ResponsibleAIPolicyViolation"), 400},
        {words("invalid_prompt"), 400},
        {words("invalid_request_error"), 400},
        {words("invalid_image_url"), 400},
        {words("image_content_policy_violation"), 400},
        {words("unsupported_value"), 400},
        {words("model_error"), 400},
        {words("something_new", "", 422), 400},
        {words("400"), 400},
        // The code says more than a status that somebody put beside it.
        {words("server_error", "", 400), 500},
        {words("content_filter", "", 500), 400},
        {words("rate_limit_exceeded", "", 500), 429},
        // Nobody's fault is proven, so another backend may show.
        {words(""), 500},
        {words("something_new"), 500},
        {words("200"), 500},
        // The gateway's own key, whatever it looks like.
        {words("invalid_api_key"), 500},
    };
    for (const auto& r : rows)
        EXPECT_EQ(stands_for(r.of), r.expected) << r.of.code << ' ' << r.of.inner_code << ' ' << r.of.status;
}

TEST(error_words, name_a_missing_deployment_and_a_refused_credential_by_code_alone) {
    EXPECT_TRUE(says_deployment_not_found(words("DeploymentNotFound")));
    EXPECT_TRUE(says_deployment_not_found(words("404", "DeploymentNotFound")));
    EXPECT_FALSE(says_deployment_not_found(words("NotFound")));
    EXPECT_FALSE(says_deployment_not_found(words("xDeploymentNotFound")));
    EXPECT_TRUE(says_credential_refused(words("PermissionDenied")));
    EXPECT_TRUE(says_credential_refused(words("AuthenticationTypeDisabled")));
    EXPECT_TRUE(says_credential_refused(words("401")));
    EXPECT_FALSE(says_credential_refused(words("AccessDenied")));
    EXPECT_FALSE(says_credential_refused(words("")));
}

}  // namespace
}  // namespace spillway::core
