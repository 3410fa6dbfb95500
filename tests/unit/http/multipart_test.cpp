#include <gtest/gtest.h>

#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include <spillway/base/random.hpp>
#include <spillway/http/multipart.hpp>

namespace spillway::http {
namespace multipart_test {

struct part {
    std::string name, filename, content_type, value;
    std::uint64_t offset{0};
    bool operator==(const part&) const = default;
};
struct body {
    std::vector<part> parts;
    std::size_t ended{0};
    multipart_error error{multipart_error::none};
    std::uint64_t error_offset{0};
    bool operator==(const body&) const = default;
};
void PrintTo(const body& b, std::ostream* os) {
    *os << describe(b.error) << " at " << b.error_offset << ", ended " << b.ended;
    for (const auto& p : b.parts) *os << '\n' << p.name << '|' << p.filename << '|' << p.offset << '|' << p.value;
}

struct listener final : multipart_visitor {
    body seen;
    void on_part(const multipart_part& p) override {
        EXPECT_EQ(p.index, seen.parts.size());
        seen.parts.push_back({std::string(p.name), p.filename ? "=" + std::string(*p.filename) : "",
                              std::string(p.content_type), "", 0});
    }
    void on_value(std::uint64_t offset, std::string_view bytes) override {
        auto& p = seen.parts.back();
        if (p.value.empty()) p.offset = offset;
        EXPECT_EQ(offset, p.offset + p.value.size());
        p.value += bytes;
    }
    void on_part_end(std::uint64_t offset, std::uint64_t length) override {
        auto& p = seen.parts.back();
        EXPECT_EQ(length, p.value.size());
        if (length != 0) {
            EXPECT_EQ(offset, p.offset);
        }
        p.offset = offset;
        ++seen.ended;
    }
};

template <class Step>
body read_in_steps(std::string_view boundary, std::string_view all, Step step, multipart_limits limits = {}) {
    listener l;
    multipart_scanner s(boundary, limits);
    for (std::size_t i = 0, n = 0; i < all.size(); i += n) {
        n = step(i);
        s.feed(all.substr(i, n), l);
    }
    l.seen.error = s.finish();
    l.seen.error_offset = s.error_offset();
    EXPECT_EQ(s.complete(), s.error() == multipart_error::none);
    // How much of a broken value was told depends on the slices.
    if (l.seen.ended < l.seen.parts.size()) l.seen.parts.back().value.clear(), l.seen.parts.back().offset = 0;
    return l.seen;
}

// Read in one piece, and checked to be the same in every other split.
body read(std::string_view all, std::string_view boundary = "XX", multipart_limits limits = {}) {
    const auto whole = read_in_steps(
        boundary, all, [&](std::size_t) { return all.size(); }, limits);
    for (std::size_t cut = 1; cut < all.size(); ++cut)
        EXPECT_EQ(read_in_steps(
                      boundary, all, [&](std::size_t i) { return i == 0 ? cut : all.size(); }, limits),
                  whole)
            << cut;
    for (std::size_t size = 1; size < 40; ++size)
        EXPECT_EQ(read_in_steps(
                      boundary, all, [&](std::size_t) { return size; }, limits),
                  whole)
            << size;
    for (const auto& p : whole.parts) EXPECT_EQ(all.substr(p.offset, p.value.size()), p.value);
    return whole;
}

// In the tests a line end is written as '|'.
std::string lines(std::string text) {
    for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.replace(at, 1, "\r\n");
    return text;
}
body read_lines(const std::string& text) { return read(lines(text)); }
std::string with_disposition(const std::string& disposition) {
    return "--XX|Content-Disposition: " + disposition + "||v|--XX--|";
}
std::string name_in(const std::string& disposition) {
    const auto b = read_lines(with_disposition(disposition));
    return b.error == multipart_error::none ? b.parts.at(0).name : std::string(describe(b.error));
}

TEST(multipart, finds_the_boundary_of_a_content_type) {
    const auto boundary = [](std::string_view s) { return std::string(multipart_boundary(s).value_or("nothing")); };
    EXPECT_EQ(boundary("multipart/form-data; boundary=----WebKitFormBoundaryABC"), "----WebKitFormBoundaryABC");
    EXPECT_EQ(boundary("Multipart/Form-Data;charset=utf-8 ;Boundary=\"a b:c\" ;"), "a b:c");
    EXPECT_EQ(boundary("multipart/form-data; boundary=" + std::string(70, 'x')), std::string(70, 'x'));
    for (const auto* bad : {"",
                            "multipart/form-data",
                            "multipart/mixed; boundary=a",
                            "multipart/form-data; boundary=",
                            "multipart/form-data; boundary=\"\"",
                            "multipart/form-data; boundary=\"a",
                            "multipart/form-data; boundary=a b",
                            "multipart/form-data; boundary=\"a \"",
                            "multipart/form-data; boundary=a; boundary=a",
                            "multipart/form-data; boundary=a; BOUNDARY=b",
                            "multipart/form-data; boundary*=a",
                            "multipart/form-data; boundary=a; boundary*0=b",
                            "multipart/form-data; boundary=\"a\\b\"",
                            "multipart/form-data; boundary=a, multipart/form-data; boundary=b",
                            "multipart/form-data boundary=a",
                            "multipart/form-data; boundary = a",
                            "multipart/form-data; boundary=a#",
                            "multipart/form-data; boundary=\"\xC3\xA4\"",
                            "application/json; boundary=a",
                            "multipart/form-data; boundary=a:b"})
        EXPECT_EQ(boundary(bad), "nothing") << bad;
    EXPECT_EQ(boundary("multipart/form-data; boundary=" + std::string(71, 'x')), "nothing");
}

TEST(multipart, tells_parts_and_where_their_values_stand) {
    const auto text = lines(
        "a preamble|--XX|Content-Disposition: form-data; name=\"model\"||gpt-4o|--XX  |"
        "content-disposition: FORM-DATA; filename=\"a.wav\"; name=\"file\"|Content-Type: audio/wav|X-Y: z||"
        "one|--X|--XY --XX-- --XX|--XX|Content-Disposition: form-data; name=empty|||--XX--|an epilogue --XX|--X");
    const auto b = read(text);
    EXPECT_EQ(b.error, multipart_error::none);
    ASSERT_EQ(b.parts.size(), 3U);
    EXPECT_EQ(b.ended, 3U);
    EXPECT_EQ(b.parts[0], (part{"model", "", "", "gpt-4o", text.find("gpt-4o")}));
    EXPECT_EQ(b.parts[1], (part{"file", "=a.wav", "audio/wav", lines("one|--X|--XY --XX-- --XX"), text.find("one")}));
    EXPECT_EQ(b.parts[2].name, "empty");
    EXPECT_EQ(b.parts[2].value, "");
}

TEST(multipart, takes_what_clients_write) {
    // curl, Python's httpx, .NET's HttpClient
    const std::string curl = "------------------------d74496d66958873e";
    EXPECT_EQ(
        read(lines("--" + curl + "|Content-Disposition: form-data; name=\"purpose\"||batch|--" + curl + "--|"), curl)
            .parts.at(0)
            .value,
        "batch");
    EXPECT_EQ(read(lines("--0cafe|Content-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"|Content-Type: "
                         "application/octet-stream||{}|--0cafe--|"),
                   "0cafe")
                  .parts.at(0)
                  .filename,
              "=a.jsonl");
    EXPECT_EQ(name_in("form-data; name=file; filename=a.jsonl; filename*=utf-8''a.jsonl"), "file");
    EXPECT_EQ(read_lines("--XX--|").parts.size(), 0U);
    EXPECT_EQ(read_lines("--XX--").error, multipart_error::none);
    EXPECT_EQ(read_lines("||--XX--").error, multipart_error::none);
}

TEST(multipart, a_name_twice_is_told_twice) {
    const auto b = read_lines(
        "--XX|Content-Disposition: form-data; name=model||a|--XX|Content-Disposition: form-data; "
        "name=model||b|--XX--|");
    ASSERT_EQ(b.parts.size(), 2U);
    EXPECT_EQ(b.parts[0].name + b.parts[0].value + b.parts[1].name + b.parts[1].value, "modelamodelb");
}

TEST(multipart, decodes_names_as_browsers_and_curl_escape_them) {
    EXPECT_EQ(name_in(R"(form-data; name="a%22b%0D%0a%41%")"), "a\"b\r\n%41%");
    EXPECT_EQ(name_in(R"(form-data; name="a\"b\\c; name=x")"), R"(a"b\c; name=x)");
    EXPECT_EQ(name_in("form-data; name=a%22b"), "a%22b");
    const auto b = read_lines(with_disposition(R"(form-data; name="f"; filename="C:\dir\"x%22")"));
    EXPECT_EQ(b.parts.at(0).filename, R"(=C:\dir"x")");
}

TEST(multipart, refuses_names_that_could_be_read_in_two_ways) {
    const auto ambiguous = describe(multipart_error::ambiguous_name);
    for (const auto* text : {"form-data; name*=utf-8''model", "form-data; name=a; name*=utf-8''b",
                             "form-data; name*0=mo", "form-data; name=a; name=b", "form-data; name=\"mod\\el\""})
        EXPECT_EQ(name_in(text), ambiguous) << text;
    EXPECT_EQ(name_in("form-data"), describe(multipart_error::no_name));
    EXPECT_EQ(name_in("form-data; filename=a"), describe(multipart_error::no_name));
    for (const auto* text :
         {"form-data; name=\"a", "form-data; name=", "form-data, name=a", "form-data; name = a",
          "form-data; name=\"a\"b", "form-data; name=a; filename=b; filename=c", "form-data; na\x01=b"})
        EXPECT_EQ(name_in(text), describe(multipart_error::bad_head)) << text;
    EXPECT_EQ(name_in("attachment; name=a"), describe(multipart_error::no_disposition));
}

TEST(multipart, refuses_bad_heads) {
    const auto with_head = [](const std::string& head) { return read_lines("--XX|" + head + "||v|--XX--|").error; };
    const std::string good = "Content-Disposition: form-data; name=a";
    EXPECT_EQ(with_head(good), multipart_error::none);
    EXPECT_EQ(with_head(good + "|Content-Transfer-Encoding: 8bit"), multipart_error::none);
    EXPECT_EQ(with_head(good + "|Content-Transfer-Encoding: base64"), multipart_error::encoded);
    EXPECT_EQ(with_head(good + "|" + good), multipart_error::no_disposition);
    EXPECT_EQ(with_head("Content-Type: text/plain"), multipart_error::no_disposition);
    EXPECT_EQ(with_head(good + "|Content-Type: a/b|Content-Type: a/b"), multipart_error::bad_head);
    EXPECT_EQ(with_head("Content-Disposition: form-data; name=a;| filename=b"), multipart_error::bad_head);
    EXPECT_EQ(with_head("Content-Disposition : form-data; name=a"), multipart_error::bad_head);
    EXPECT_EQ(with_head(good + "|no colon"), multipart_error::bad_head);
    EXPECT_EQ(with_head(good + "\x7F"), multipart_error::bad_head);
    EXPECT_EQ(with_head(good + "\nX: y"), multipart_error::line_feed_only);
    EXPECT_EQ(with_head(good + "\rX: y"), multipart_error::line_feed_only);
    EXPECT_EQ(read_lines("--XX||v|--XX--|").error, multipart_error::no_disposition);
}

TEST(multipart, refuses_what_others_could_take_for_a_boundary) {
    const std::string part = "--XX|Content-Disposition: form-data; name=a||v";
    const auto error = [&](const std::string& rest) { return read_lines(part + rest).error; };
    EXPECT_EQ(error("|--XX--"), multipart_error::none);
    EXPECT_EQ(error("|--XX-- \t"), multipart_error::none);
    for (const auto* rest : {"|--XXY|--XX--|", "|--XX-|--XX--|", "|--XX --|--XX--|", "|--XX--x", "|--XX--|--XX|",
                             "|--XX--|--XX--|", "|--XX--|text|--XX--|", "|--XX-->|--XX--|"})
        EXPECT_EQ(error(rest), multipart_error::ambiguous_delimiter) << rest;
    for (const auto* rest :
         {"\n--XX|--XX--|", "\r--XX|--XX--|", "|--XX\n", "|--XX\rx", "|--XX--\n", "|--XX--|\n--XX--"})
        EXPECT_EQ(error(rest), multipart_error::line_feed_only) << rest;
    EXPECT_EQ(read_lines("\n--XX--").error, multipart_error::line_feed_only);
    EXPECT_EQ(read_lines("x\n--XX--").error, multipart_error::line_feed_only);
    EXPECT_EQ(read_lines("--XX|Content-Disposition: form-data; name=a||--XX--|").error,
              multipart_error::ambiguous_delimiter)
        << "one line end is not the head's and the boundary's";
    EXPECT_EQ(error(" --XX|x--XX--|-|--XX--"), multipart_error::none) << "inside of a line it is data";
}

TEST(multipart, refuses_what_ends_early) {
    const auto text = lines("--XX|Content-Disposition: form-data; name=a||v|--XX--");
    for (std::size_t n = 0; n < text.size(); ++n)
        EXPECT_EQ(read(text.substr(0, n)).error, multipart_error::unterminated);
    EXPECT_EQ(read(text).error, multipart_error::none);
    EXPECT_EQ(read(text, "XY").error, multipart_error::unterminated);
    EXPECT_EQ(read(text, "").error, multipart_error::bad_boundary);
}

TEST(multipart, has_limits) {
    const std::string head = "--XX|Content-Disposition: form-data; name=a|X: ";
    const auto sized = [&](std::size_t n) { return lines(head + std::string(n, 'x') + "||v|--XX--|"); };
    const std::size_t rest = lines(head).size() - 6 + 4;
    const auto all_at_once = [](std::size_t) { return std::size_t{100000}; };
    EXPECT_EQ(read_in_steps("XX", sized(8192 - rest), all_at_once).error, multipart_error::none);
    EXPECT_EQ(read_in_steps("XX", sized(8193 - rest), all_at_once).error, multipart_error::head_too_long);
    std::string many;
    for (int i = 0; i < 3; ++i) many += "--XX|Content-Disposition: form-data; name=a||v|";
    EXPECT_EQ(read(lines(many + "--XX--"), "XX", {.parts = 3}).error, multipart_error::none);
    EXPECT_EQ(read(lines(many + "--XX--"), "XX", {.parts = 2}).error, multipart_error::too_many_parts);
}

TEST(multipart, random_bodies_in_random_slices) {
    random_source random(3);
    for (int round = 0; round < 1500; ++round) {
        const std::string boundary = round % 2 == 0 ? "--b" : "-----------------------abc";
        std::string all;
        body expected;
        for (std::uint32_t n = random.below(4), i = 0; i < n; ++i) {
            part p{.name = "n" + std::to_string(random.below(3))};
            const std::size_t length = random.below(random.below(4) == 0 ? 3000 : 12);
            while (p.value.size() < length) p.value += "\r\n--abcx"[random.below(8)];
            if (("\r\n" + p.value + "\r\n").find("\n--" + boundary) != std::string::npos ||
                p.value.find("\r--" + boundary) != std::string::npos)
                p.value.clear();
            all += "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + p.name + "\"\r\n\r\n";
            p.offset = all.size();
            all += p.value + "\r\n";
            expected.parts.push_back(p);
            ++expected.ended;
        }
        all += "--" + boundary + "--\r\n";
        const auto slice = [&](std::size_t) { return 1 + random.below(random.below(3) == 0 ? 5 : 400); };
        ASSERT_EQ(read_in_steps(boundary, all, slice), expected) << all;
        ASSERT_EQ(read_in_steps(boundary, all, [](std::size_t) { return std::size_t{1}; }), expected) << all;
    }
}

TEST(multipart, tells_its_speed) {
    std::string all = lines("--XX|Content-Disposition: form-data; name=\"file\"; filename=\"a\"||");
    random_source random(4);
    while (all.size() < 8 << 20) all += static_cast<char>(random.below(256));
    all += "\r\n--XX--\r\n";
    struct counting final : multipart_visitor {
        std::uint64_t bytes{0};
        void on_part(const multipart_part&) override {}
        void on_value(std::uint64_t, std::string_view s) override { bytes += s.size(); }
        void on_part_end(std::uint64_t, std::uint64_t length) override { EXPECT_EQ(length, bytes); }
    } count;
    const std::clock_t from = std::clock();
    multipart_scanner s("XX");
    for (std::size_t at = 0; at < all.size(); at += 16384) s.feed(std::string_view(all).substr(at, 16384), count);
    const double seconds = static_cast<double>(std::clock() - from) / CLOCKS_PER_SEC;
    EXPECT_EQ(s.finish(), multipart_error::none);
    std::cout << "random bytes: " << static_cast<double>(all.size()) / 1e6 / seconds << " MB/s\n";
}

}  // namespace multipart_test
}  // namespace spillway::http
