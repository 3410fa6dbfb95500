#include "../../../src/ledger/reject.hpp"

#include <gtest/gtest.h>

#include "../../../src/ledger/codec.hpp"
#include "record_kit.hpp"

namespace spillway::ledger {
namespace {

TEST(rejected_records, come_back_as_they_were) {
    auto r = record_of(7);
    r.outcome = core::usage_outcome::client_left;
    r.source = core::token_source::estimated;
    r.end_user = "m\xC3\xBCller \"\\\n";
    r.tries_json = R"([{"backend":"b"}])";
    r.tokens.prompt = UINT64_MAX;
    r.price_nanos = -5;
    const auto back = rejected_record::read(rejected_line(r, "no"));
    ASSERT_TRUE(back);
    const auto& b = back->record();
    EXPECT_EQ(b.id, r.id);
    EXPECT_EQ(b.tokens, r.tokens);
    EXPECT_EQ(frame_size(b), frame_size(r));
    std::vector<std::uint64_t> one(frame_size(r) / 8), other(frame_size(r) / 8);
    encode_frame(r, reinterpret_cast<std::byte*>(one.data()));
    encode_frame(b, reinterpret_cast<std::byte*>(other.data()));
    EXPECT_EQ(one, other) << "in every field";
}

TEST(rejected_records, of_a_version_that_is_known_by_now_come_back_too) {
    const auto r = record_of(3);
    std::vector<std::uint64_t> frame(frame_size(r) / 8);
    encode_frame(r, reinterpret_cast<std::byte*>(frame.data()));
    const auto f = next_frame({reinterpret_cast<std::byte*>(frame.data()), frame.size() * 8}, true);
    const auto back = rejected_record::read(unreadable_line(f->payload));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->record().id, r.id);
    EXPECT_EQ(back->record().model, r.model);
}

TEST(rejected_records, other_lines_hold_none) {
    for (const auto* line :
         {"", "{}", "[]", "no", R"({"why":1,"id":"00"})", R"({"payload":"0"})", R"({"payload":"ff00ff00"})"})
        EXPECT_FALSE(rejected_record::read(line)) << line;
    auto line = rejected_line(record_of(1), "x");
    line.replace(line.find("\"status\":200"), 12, "\"status\":99999999");
    EXPECT_FALSE(rejected_record::read(line)) << "a number that does not fit";
}

TEST(rejected_records, reasons_of_earlier_versions_are_told_without_their_detail) {
    EXPECT_EQ(reason_of(rejected_line(record_of(1), "ERROR: null value DETAIL: Failing row contains (ann)")),
              "ERROR: null value");
    EXPECT_EQ(reason_of("{"), "unknown");
}

}  // namespace
}  // namespace spillway::ledger
