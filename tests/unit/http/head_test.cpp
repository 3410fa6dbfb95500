#include <gtest/gtest.h>

#include <spillway/http/head.hpp>

namespace spillway::http {
namespace {

head_error parse(std::string_view text, request_head& out, head_limits limits = {}) {
    return parse_request(text, limits, out);
}

TEST(request_head, the_usual_request) {
    request_head h;
    const std::string text =
        "POST /openai/v1/chat/completions?x=1 HTTP/1.1\r\nHost: gw:8443\r\nApi-Key:  k \r\nContent-Length: "
        "12\r\n\r\n";
    ASSERT_EQ(find_head_end(text), text.size());
    ASSERT_EQ(parse(text, h), head_error::none);
    EXPECT_EQ(h.method, "POST");
    EXPECT_EQ(h.target, "/openai/v1/chat/completions?x=1");
    EXPECT_EQ(h.host, "gw:8443");
    EXPECT_EQ(h.fields.value(field_id::api_key), "k");
    EXPECT_EQ(h.body, body_kind::length);
    EXPECT_EQ(h.content_length, 12U);
    EXPECT_TRUE(h.keep_alive);
}

struct refusal {
    const char* name;
    std::string_view text;
    head_error error;
    int status;
};
class refused_heads : public ::testing::TestWithParam<refusal> {};

TEST_P(refused_heads, are_refused_for_the_right_reason) {
    request_head h;
    EXPECT_EQ(name_of(parse(GetParam().text, h)), name_of(GetParam().error));
    EXPECT_EQ(status_of(GetParam().error), GetParam().status);
    EXPECT_FALSE(describe(GetParam().error).empty());
}

using namespace std::literals;
INSTANTIATE_TEST_SUITE_P(
    request_head, refused_heads,
    ::testing::Values(
        refusal{"length_and_chunked",
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
                head_error::length_and_encoding, 400},
        refusal{"two_lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"sv,
                head_error::repeated_content_length, 400},
        refusal{"two_equal_lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"sv,
                head_error::repeated_content_length, 400},
        refusal{"length_list", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n"sv,
                head_error::bad_content_length, 400},
        refusal{"length_sign", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n"sv,
                head_error::bad_content_length, 400},
        refusal{"length_huge", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n"sv,
                head_error::bad_content_length, 400},
        refusal{"encoding_other", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"sv,
                head_error::bad_transfer_encoding, 501},
        refusal{"encoding_odd", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n"sv,
                head_error::bad_transfer_encoding, 501},
        refusal{"encoding_twice",
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
                head_error::bad_transfer_encoding, 501},
        refusal{"encoding_in_http10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
                head_error::encoding_in_http10, 400},
        refusal{"bare_lf", "GET / HTTP/1.1\nHost: h\r\n\r\n"sv, head_error::bare_line_end, 400},
        refusal{"bare_lf_in_field", "GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n"sv, head_error::bare_line_end, 400},
        refusal{"bare_cr", "GET / HTTP/1.1\r\nHost: h\rA: b\r\n\r\n"sv, head_error::bare_line_end, 400},
        refusal{"fold", "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n"sv, head_error::folded_field, 400},
        refusal{"space_before_colon", "GET / HTTP/1.1\r\nHost : h\r\n\r\n"sv, head_error::space_before_colon, 400},
        refusal{"empty_name", "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n"sv, head_error::bad_field_name, 400},
        refusal{"nul", "GET / HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n"sv, head_error::bad_field_value, 400},
        refusal{"no_host", "GET / HTTP/1.1\r\nA: b\r\n\r\n"sv, head_error::missing_host, 400},
        refusal{"two_hosts", "GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n"sv, head_error::repeated_host, 400},
        refusal{"host_with_path", "GET / HTTP/1.1\r\nHost: h/x\r\n\r\n"sv, head_error::bad_host, 400},
        refusal{"one_word", "GET\r\nHost: h\r\n\r\n"sv, head_error::bad_start_line, 400},
        refusal{"two_words", "GET /\r\nHost: h\r\n\r\n"sv, head_error::bad_start_line, 400},
        refusal{"two_blanks", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"sv, head_error::bad_start_line, 400},
        refusal{"connect", "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n"sv, head_error::unsupported_method, 501},
        refusal{"other_host", "GET http://i/ HTTP/1.1\r\nHost: h\r\n\r\n"sv, head_error::target_form, 400},
        refusal{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"sv, head_error::target_form, 400},
        refusal{"fragment", "GET /#a HTTP/1.1\r\nHost: h\r\n\r\n"sv, head_error::bad_target, 400},
        refusal{"http2", "PRI * HTTP/2.0\r\n\r\n"sv, head_error::http2_preface, 505},
        refusal{"version", "GET / HTTP/1.2\r\nHost: h\r\n\r\n"sv, head_error::unsupported_version, 505},
        refusal{"version_text", "GET / HTTP/x\r\nHost: h\r\n\r\n"sv, head_error::bad_version, 400},
        refusal{"hop_host", "GET / HTTP/1.1\r\nHost: h\r\nConnection: host\r\n\r\n"sv, head_error::bad_connection,
                400},
        refusal{"hop_length",
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nConnection: content-length\r\n\r\n"sv,
                head_error::bad_connection, 400},
        refusal{"expect", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: magic\r\n\r\n"sv,
                head_error::bad_expect, 417}),
    [](const auto& one) { return one.param.name; });

TEST(request_head, limits_hold) {
    request_head h;
    const std::string text = "GET /aaaaaaaaaa HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
    EXPECT_EQ(parse(text, h, {text.size() - 1, 100, 100}), head_error::too_large);
    EXPECT_EQ(parse(text, h, {100, 1, 100}), head_error::too_many_fields);
    EXPECT_EQ(parse(text, h, {100, 100, 5}), head_error::target_too_long);
}

TEST(request_head, the_end_is_found_however_the_bytes_come) {
    const std::string text = "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\nrest";
    std::size_t seen = 0, end = npos;
    for (std::size_t n = 1; n <= text.size() && end == npos; ++n) {
        end = find_head_end(std::string_view(text).substr(0, n), seen);
        seen = n;
    }
    EXPECT_EQ(end, text.size() - 4);
    request_head h;
    EXPECT_EQ(parse(std::string_view(text).substr(0, end), h), head_error::none);
}

TEST(request_head, connection_decides_who_stays_and_what_is_hop_by_hop) {
    request_head h;
    ASSERT_EQ(parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\n\r\n", h),
              head_error::none);
    EXPECT_FALSE(h.keep_alive);
    EXPECT_TRUE(h.connection_names(*h.fields.find("x-mine")));
    ASSERT_EQ(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", h), head_error::none);
    EXPECT_TRUE(h.keep_alive);
    ASSERT_EQ(parse("GET / HTTP/1.0\r\n\r\n", h), head_error::none);
    EXPECT_FALSE(h.keep_alive);
}

TEST(response_head, tells_how_its_body_ends) {
    response_head h;
    const auto read = [&](std::string_view text, bool answers_head = false) {
        return parse_response(text, {}, answers_head, h);
    };
    ASSERT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), head_error::none);
    EXPECT_EQ(h.body, body_kind::length);
    ASSERT_EQ(read("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n"), head_error::none);
    EXPECT_EQ(h.body, body_kind::chunked);
    ASSERT_EQ(read("HTTP/1.1 200 OK\r\n\r\n"), head_error::none);
    EXPECT_EQ(h.body, body_kind::until_close);
    EXPECT_FALSE(h.keep_alive);
    ASSERT_EQ(read("HTTP/1.1 204 No Content\r\n\r\n"), head_error::none);
    EXPECT_EQ(h.body, body_kind::none);
    ASSERT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true), head_error::none);
    EXPECT_EQ(h.body, body_kind::none);
    EXPECT_EQ(read("HTTP/1.1 20 OK\r\n\r\n"), head_error::bad_status);
    EXPECT_EQ(read("ICY 200 OK\r\n\r\n"), head_error::bad_version);
}

TEST(fields, are_known_in_any_case_of_letters) {
    for (std::size_t i = 1; i < field_count; ++i) {
        const auto id = static_cast<field_id>(i);
        std::string upper(name_of(id));
        for (char& c : upper)
            if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
        EXPECT_EQ(identify(name_of(id)), id) << upper;
        EXPECT_EQ(identify(upper), id) << upper;
    }
    EXPECT_EQ(identify("x-unheard-of"), field_id::unknown);
    EXPECT_EQ(identify(""), field_id::unknown);
    EXPECT_NE(flags_of(field_id::unknown, "X-Azure-Something") & field_flag::front, 0);
    EXPECT_NE(flags_of(field_id::authorization) & field_flag::secret, 0);
}

}  // namespace
}  // namespace spillway::http
