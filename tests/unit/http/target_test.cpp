#include <gtest/gtest.h>

#include <array>

#include <spillway/http/date.hpp>
#include <spillway/http/target.hpp>

namespace spillway::http {
namespace {

TEST(path, what_two_readers_could_understand_differently_is_refused) {
    const std::pair<std::string_view, path_error> cases[] = {
        {"/openai/deployments/gpt-4o/chat/completions", path_error::none},
        {"/a%C3%A4/b%20c", path_error::none},
        {"/", path_error::none},
        {"/a/", path_error::none},
        {"", path_error::not_absolute},
        {"a", path_error::not_absolute},
        {"/a\\b", path_error::bad_character},
        {"/a b", path_error::bad_character},
        {"/a%2", path_error::bad_escape},
        {"/a%zz", path_error::bad_escape},
        {"/a%C3", path_error::bad_escape},
        {"/a%C0%AF", path_error::bad_escape},
        {"/a%2Fb", path_error::escaped_character},
        {"/a%5cb", path_error::escaped_character},
        {"/a%252fb", path_error::escaped_character},
        {"/a%00", path_error::escaped_character},
        {"/a/../b", path_error::dot_segment},
        {"/a/%2E%2e/b", path_error::dot_segment},
        {"/a/.%2e", path_error::dot_segment},
        {"/./a", path_error::dot_segment},
        {"//a", path_error::empty_segment},
        {"/a//b", path_error::empty_segment},
    };
    for (const auto& [path, error] : cases) EXPECT_EQ(describe(check_path(path)), describe(error)) << path;
}

TEST(path, a_slash_of_a_copied_endpoint_is_forgiven_at_both_ends_alone) {
    EXPECT_EQ(trim_slashes("//openai/v1/models"), "/openai/v1/models");
    EXPECT_EQ(trim_slashes("/openai/v1/models/"), "/openai/v1/models");
    EXPECT_EQ(trim_slashes("/"), "/");
    EXPECT_EQ(trim_slashes("//"), "/");
    for (const auto* refused : {"///a", "/a//", "//a//", "/a//b", "//a//b/", "///"})
        EXPECT_EQ(check_path(trim_slashes(refused)), path_error::empty_segment) << refused;
}

TEST(path, an_escaped_slash_is_part_of_a_name_and_of_nothing_else) {
    const auto check = [](std::string_view name) {
        const auto path = "/d/" + std::string(name) + "/e";
        return check_path(path, std::string_view(path).substr(3, name.size()));
    };
    for (const auto* good : {"openai%2Fgpt-4o", "a%2fb%2Fc", "plain", "a%2F...", "a/b", "a%C3%A4%2Fb"})
        EXPECT_EQ(describe(check(good)), describe(path_error::none)) << good;
    for (const auto* empty : {"%2Fa", "a%2F", "a%2F%2Fb", "%2F"}) EXPECT_EQ(check(empty), path_error::empty_segment);
    for (const auto* dots : {"a%2F..%2Fb", "..%2Fa", "a%2F%2e", "%2E%2e%2Fa", "a%2F.", ".."})
        EXPECT_EQ(check(dots), path_error::dot_segment) << dots;
    for (const auto* other : {"a%5Cb", "a%252Fb", "a%2Fb%00"})
        EXPECT_EQ(check(other), path_error::escaped_character) << other;
    EXPECT_EQ(check("a%2F%C0%AF"), path_error::bad_escape);
    // Around the name the rules are as ever.
    const std::string_view path = "/d%2Fx/name/e";
    EXPECT_EQ(check_path(path, path.substr(7, 4)), path_error::escaped_character);
    EXPECT_EQ(check_path("/d/name/e%2Ff", {}), path_error::escaped_character);
}

TEST(segment, decodes) {
    std::array<char, 64> memory;
    EXPECT_EQ(decode_segment("a%20b", memory), "a b");
}

TEST(query, parameters_are_found_in_every_spelling) {
    std::size_t count = 0;
    EXPECT_EQ(find_param("a=1&API%2Dkey=x&api-key=y", "api-key", &count), "x");
    EXPECT_EQ(count, 2U);
    EXPECT_EQ(find_param("a=1&b", "b"), "");
    EXPECT_EQ(find_param("a=1", "ab"), std::nullopt);
    EXPECT_EQ(find_param("", "a"), std::nullopt);
}

TEST(query, secrets_are_taken_out_and_nothing_else) {
    EXPECT_EQ(remove_params("api-version=2024-10-21&api-key=s&x=%2F", secret_params), "api-version=2024-10-21&x=%2F");
    EXPECT_EQ(remove_params("subscription-key=s", secret_params), "");
    EXPECT_EQ(remove_params("a=1&&b=2", secret_params), "a=1&&b=2");
}

TEST(date, all_three_forms_are_read) {
    EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT", 0), 784111777);
    EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", 784111777), 784111777);
    EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994", 0), 784111777);
    for (const auto* bad : {"", "Sun", "Sun, 31 Feb 2024 00:00:00 GMT", "Sun, 06 Nov 1994 08:49:37 CET",
                            "Sun, 06 Nov 1994 25:49:37 GMT", "06 Nov 1994 08:49:37 GMT"})
        EXPECT_EQ(parse_http_date(bad, 0), std::nullopt) << bad;
}

TEST(date, is_written_as_it_is_read) {
    std::array<char, http_date_size> memory;
    for (const std::int64_t at :
         {std::int64_t{0}, std::int64_t{784111777}, std::int64_t{1709164800}, std::int64_t{4102444799}})
        EXPECT_EQ(parse_http_date(format_http_date(at, memory), at), at);
    EXPECT_EQ(format_http_date(784111777, memory), "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
}  // namespace spillway::http
