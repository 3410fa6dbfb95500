#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "../../../../src/credentials/sources.hpp"

namespace spillway::credentials {

made_source make_token_file(const config::credential& from, const source_context& with);

namespace {

// The table as it is once the documentation's line stands in it.
const std::vector<source_kind> table{
#define SPILLWAY_TOKEN_SOURCE(name) {#name, make_##name},
#include "../../../../src/credentials/source_kinds.inc"
    SPILLWAY_TOKEN_SOURCE(token_file)
#undef SPILLWAY_TOKEN_SOURCE
};

config::credential of_kind(std::string kind, std::map<std::string, std::string, std::less<>> settings) {
    config::credential out;
    out.source = config::other_source{std::move(kind), std::move(settings), {}};
    return out;
}

made_source make(made_source (*by)(const config::credential&, const source_context&), const config::credential& c) {
    const config::environment env = [](std::string_view) { return std::optional<std::string>(); };
    return by(c, {env, [](const std::string&) { return result<net::ssl_ctx_ptr>(net::ssl_ctx_ptr()); },
                  [](const std::string&) -> const config::credential* { return nullptr; }});
}

TEST(sample_source, is_one_line_of_the_table) {
    EXPECT_EQ(table.size(), source_kinds().size() + 1);
    EXPECT_EQ(table.back().name, "token_file");
    const auto asked = of_kind("token_file", {{"path", "/run/token"}});
    for (const auto& kind : table) {
        const auto made = make(kind.make, asked);
        ASSERT_TRUE(made) << kind.name;
        EXPECT_EQ(*made != nullptr, kind.name == "token_file") << kind.name;
    }
}

TEST(sample_source, says_what_is_missing) {
    EXPECT_EQ(make(make_token_file, of_kind("token_file", {})).error().message,
              "token_file wants a setting called path");
    EXPECT_EQ(make(make_source, of_kind("token_fiel", {})).error().message,
              "there is no kind of source called 'token_fiel'");
}

TEST(sample_source, gives_what_the_file_holds_now) {
    char path[] = "/tmp/spillway-token-XXXXXX";
    ::close(::mkstemp(path));
    const auto source = std::move(*make(make_token_file, of_kind("token_file", {{"path", path}})));
    net::loop l;
    net::fetcher fetcher(l);
    const auto ask = [&](const std::string& content) {
        std::ofstream(path) << content;
        std::string out;
        const auto work = [&]() -> net::task<> {
            const token_ask asked{"https://c/.default", ""};
            auto answer = co_await source->get(fetcher, asked, nullptr);
            const auto* got = std::get_if<got_token>(&answer);
            out = got != nullptr ? std::string(got->token.view()) : "! " + std::get<no_token>(answer).message;
        };
        net::spawn(work(), [](std::exception_ptr e) { EXPECT_FALSE(e); });
        return out;
    };
    EXPECT_EQ(ask("abc.def\n"), "abc.def");
    EXPECT_EQ(ask("another"), "another");
    EXPECT_EQ(ask("no token"), "! the file " + std::string(path) + " holds no token");
    ::unlink(path);
}

}  // namespace
}  // namespace spillway::credentials
