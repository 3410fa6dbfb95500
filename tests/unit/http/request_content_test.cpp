#include <gtest/gtest.h>

#include <spillway/http/request_content.hpp>

namespace spillway::http {
namespace {

TEST(content_type, json_in_utf8_in_all_its_spellings) {
    for (const auto* type :
         {"application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=UTF-8",
          "application/json; charset=\"utf-8\"", "application/json;odata=verbose; charset=us-ascii", "text/json",
          "application/vnd.api+json", "application/json;", " application/json ", "application/json ; charset=utf8"})
        EXPECT_EQ(check_json_type(type), content_error::none) << type;
}

TEST(content_type, everything_else) {
    const std::pair<const char*, content_error> cases[] = {
        {"", content_error::malformed},
        {"json", content_error::malformed},
        {"application/", content_error::malformed},
        {"application/json, text/plain", content_error::malformed},
        {"application/json charset=utf-8", content_error::malformed},
        {"application/json; charset", content_error::malformed},
        {"application/json; charset=", content_error::malformed},
        {"application/json; charset=\"utf-8", content_error::malformed},
        {"application/json; charset=\"utf\\-8\"", content_error::malformed},
        {"application/json; =utf-8", content_error::malformed},
        {"text/plain", content_error::not_json},
        {"application/x-www-form-urlencoded", content_error::not_json},
        {"multipart/form-data; boundary=x", content_error::not_json},
        {"application/octet-stream", content_error::not_json},
        {"application/jsonx", content_error::not_json},
        {"application/+json", content_error::not_json},
        {"application/json; charset=utf-16", content_error::charset},
        {"application/json; charset=utf-7", content_error::charset},
        {"application/json; charset=shift_jis", content_error::charset},
        {"application/json; charset=utf-8; charset=utf-16", content_error::charset},
        {"application/json; charset=utf-8; CHARSET=utf-8", content_error::charset},
        {"application/json; charset=utf-16le; charset=utf-8", content_error::charset},
    };
    for (const auto& [type, error] : cases) EXPECT_EQ(check_json_type(type), error) << type;
}

TEST(content_encoding, one_coding_of_those_that_are_taken) {
    const std::pair<const char*, content_coding> cases[] = {
        {"gzip", content_coding::gzip},           {"GZIP", content_coding::gzip},
        {"x-gzip", content_coding::gzip},         {"zstd", content_coding::zstd},
        {"identity", content_coding::identity},   {"", content_coding::unknown},
        {"br", content_coding::unknown},          {"deflate", content_coding::unknown},
        {"gzip, gzip", content_coding::unknown},  {"identity, gzip", content_coding::unknown},
        {"aws-chunked", content_coding::unknown}, {"gzip;q=1", content_coding::unknown},
    };
    for (const auto& [value, coding] : cases) EXPECT_EQ(coding_of(value), coding) << value;
}

}  // namespace
}  // namespace spillway::http
