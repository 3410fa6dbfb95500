#include <spillway/core/account.hpp>

#include <gtest/gtest.h>

#include <spillway/base/time.hpp>

namespace spillway::core {
namespace {

const operation& op(std::string_view path) {
    const auto found = classify("POST", path);
    EXPECT_TRUE(found) << path;
    return *found->op;
}
const operation& chat() { return op("/openai/v1/chat/completions"); }

ending answered(int status = 200) {
    ending e;
    e.op = &chat();
    e.status = status;
    e.head_sent = true;
    e.went_out = true;
    return e;
}

ending local(int status, origin who) {
    ending e;
    e.op = &chat();
    e.status = status;
    e.local = true;
    e.who = who;
    return e;
}

TEST(account, outcomes) {
    using o = usage_outcome;
    struct row {
        const char* what;
        ending of;
        o wanted;
    };
    ending left = answered(), broke = answered(), told = answered(), left_broken = answered();
    left.client_left = true;
    broke.broke = true;
    told.told_error = true;
    left_broken.client_left = left_broken.broke = true;
    ending local_after_error = local(502, origin::upstream);
    local_after_error.told_error = true;
    const row rows[] = {
        {"a whole answer", answered(), o::ok},
        {"the backend's own 400", answered(400), o::error},
        {"the backend's own 503", answered(503), o::error},
        {"the client left amid it", left, o::client_left},
        {"it broke off", broke, o::broken},
        {"its last event tells an error", told, o::broken},
        {"the client left a broken one", left_broken, o::client_left},
        {"no key", local(401, origin::client), o::refused},
        {"a quota", local(429, origin::client), o::refused},
        {"all backends full", local(429, origin::upstream), o::failed},
        {"the gateway's own 503", local(503, origin::gateway), o::failed},
        {"a client's fault above 500", local(504, origin::client), o::failed},
        {"a local answer after a stream's error", local_after_error, o::failed},
    };
    for (const auto& r : rows) EXPECT_EQ(outcome_of(r.of), r.wanted) << r.what;
}

TEST(account, where_tokens_come_from) {
    using b = token_basis;
    EXPECT_EQ(basis_of(answered(), true), b::answer);
    EXPECT_EQ(basis_of(answered(), false), b::seen);
    EXPECT_EQ(basis_of(answered(400), true), b::none);
    EXPECT_EQ(basis_of(local(429, origin::client), false), b::none);
    EXPECT_EQ(basis_of(ending{}, false), b::none) << "no operation";

    ending speech = answered();
    speech.op = &op("/openai/v1/audio/speech");
    EXPECT_EQ(basis_of(speech, false), b::none);
    ending picture = answered();
    picture.op = &op("/openai/v1/images/generations");
    EXPECT_EQ(basis_of(picture, true), b::answer);
    EXPECT_EQ(basis_of(picture, false), b::none);

    ending waiting = answered();
    waiting.head_sent = false;
    waiting.client_left = true;
    waiting.status = 499;
    EXPECT_EQ(basis_of(waiting, false), b::unseen) << "a backend was at work";
    waiting.op = picture.op;
    EXPECT_EQ(basis_of(waiting, false), b::none) << "the bytes of pictures tell nothing";
    waiting.op = &chat();
    waiting.went_out = false;
    EXPECT_EQ(basis_of(waiting, false), b::none) << "no backend had it";
    waiting.went_out = true;
    waiting.local = true;
    EXPECT_EQ(basis_of(waiting, false), b::none) << "the gateway had answered";

    ending silent = answered();
    silent.streams = true;
    silent.client_left = true;
    EXPECT_EQ(basis_of(silent, false), b::unseen) << "a stream of which no text was seen";
    silent.text_bytes = 10;
    EXPECT_EQ(basis_of(silent, false), b::seen);
    silent.text_bytes = 0;
    silent.client_left = false;
    EXPECT_EQ(basis_of(silent, false), b::seen);
}

TEST(account, what_is_reserved_and_what_was_written_unseen) {
    EXPECT_EQ(reserved_answer(chat(), std::nullopt, 1), 256U);
    EXPECT_EQ(reserved_answer(chat(), 100, 3), 300U);
    EXPECT_EQ(reserved_answer(chat(), UINT64_MAX, 3), UINT64_MAX) << "saturates";
    EXPECT_EQ(reserved_answer(op("/openai/v1/responses"), 50, 1), 50U);
    EXPECT_EQ(reserved_answer(op("/openai/v1/embeddings"), 50, 1), 0U);

    EXPECT_EQ(unseen_answer(seconds(2), 1000, 1), 200U);
    EXPECT_EQ(unseen_answer(seconds(2), 1000, 2), 400U);
    EXPECT_EQ(unseen_answer(seconds(20), 1000, 1), 1000U) << "no more than the request allows";
    EXPECT_EQ(unseen_answer(seconds(-1), 1000, 1), 0U) << "clocks differ";
}

}  // namespace
}  // namespace spillway::core
