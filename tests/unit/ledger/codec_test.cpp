#include "../../../src/ledger/codec.hpp"

#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "../../../src/ledger/crc32c.hpp"
#include "record_kit.hpp"

namespace spillway::ledger {
namespace {

struct alignas(8) cell {
    std::byte bytes[8];
};

std::vector<cell> encoded(const core::usage_record& r) {
    std::vector<cell> out(frame_size(r) / 8);
    encode_frame(r, out.data()->bytes);
    return out;
}
std::span<const std::byte> bytes_of(const std::vector<cell>& cells) {
    return {cells.data()->bytes, cells.size() * 8};
}

TEST(codec, gives_back_every_field) {
    auto r = record_of(3);
    r.end_user = "ann";
    r.code = "stream_broken";
    r.tries_json = R"([{"backend":"a","status":429,"reason":"throttled"}])";
    r.outcome = core::usage_outcome::broken;
    r.source = core::token_source::estimated;
    r.attempts = 2;
    r.status = 65535;
    r.tokens = {1, 2, 3, 4, 5, 6};
    r.price_nanos = -7;
    const auto cells = encoded(r);
    const auto f = next_frame(bytes_of(cells), false);
    ASSERT_TRUE(f);
    EXPECT_EQ(f->size, cells.size() * 8);
    core::usage_record out;
    ASSERT_TRUE(decode(f->payload, out));
    EXPECT_EQ(out.id, r.id);
    EXPECT_EQ(out.time_us, r.time_us);
    EXPECT_EQ(out.tokens, r.tokens);
    for (const auto text :
         {&core::usage_record::gateway, &core::usage_record::client, &core::usage_record::labels_json,
          &core::usage_record::end_user, &core::usage_record::request_id, &core::usage_record::route,
          &core::usage_record::pool, &core::usage_record::backend, &core::usage_record::instance,
          &core::usage_record::region, &core::usage_record::deployment, &core::usage_record::model,
          &core::usage_record::operation, &core::usage_record::code, &core::usage_record::tries_json})
        EXPECT_EQ(out.*text, r.*text);
    EXPECT_EQ(out.status, r.status);
    EXPECT_EQ(out.attempts, r.attempts);
    EXPECT_EQ(out.outcome, r.outcome);
    EXPECT_EQ(out.source, r.source);
    EXPECT_EQ(out.streaming, r.streaming);
    EXPECT_EQ(out.priced, r.priced);
    EXPECT_EQ(out.bytes_in, r.bytes_in);
    EXPECT_EQ(out.bytes_out, r.bytes_out);
    EXPECT_EQ(out.first_byte_us, r.first_byte_us);
    EXPECT_EQ(out.duration_us, r.duration_us);
    EXPECT_EQ(out.token_us, r.token_us);
    EXPECT_EQ(out.price_nanos, r.price_nanos);
}

TEST(codec, a_flipped_bit_or_a_cut_ends_the_file) {
    const auto whole = encoded(record_of(1));
    for (std::size_t i = 0; i < whole.size(); ++i) {
        auto torn = whole;
        torn[i].bytes[5] ^= std::byte{4};
        const auto f = next_frame(bytes_of(torn), false);
        // Only the padding behind the last text is free.
        EXPECT_TRUE(!f || i + 1 == whole.size()) << i;
    }
    EXPECT_FALSE(next_frame(bytes_of(whole).first(bytes_of(whole).size() - 8), false));
    EXPECT_FALSE(next_frame({}, false));
    EXPECT_FALSE(next_frame(bytes_of(std::vector<cell>(4)), false));
}

TEST(codec, reads_fewer_and_more_fields_than_it_knows) {
    const auto cells = encoded(record_of(2));
    const auto f = next_frame(bytes_of(cells), false);
    ASSERT_TRUE(f);
    std::string payload(reinterpret_cast<const char*>(f->payload.data()), f->payload.size());
    const auto decoded = [](const std::string& p) {
        core::usage_record r;
        EXPECT_TRUE(decode({reinterpret_cast<const std::byte*>(p.data()), p.size()}, r));
        return r.tokens.prompt;
    };
    // A later version: 8 more bytes of numbers and one more text.
    auto later = payload;
    later[1] = 16;
    later[2] = static_cast<char>(136);
    later.insert(128, 8, 'n');
    later.insert(136 + 15 * 4, std::string("\3\0\0\0", 4));
    later += "new";
    EXPECT_EQ(decoded(later), 102U);
    // An earlier one: two texts and no numbers after the first tokens.
    std::string earlier("\1\2\x50\0", 4);
    earlier += payload.substr(4, 76) + std::string("\2\0\0\0\3\0\0\0", 8) + "gwabc";
    core::usage_record r;
    ASSERT_TRUE(decode({reinterpret_cast<const std::byte*>(earlier.data()), earlier.size()}, r));
    EXPECT_EQ(r.gateway, "gw");
    EXPECT_EQ(r.client, "abc");
    EXPECT_EQ(r.pool, "");
    EXPECT_EQ(r.tokens.cached, 0U);
}

TEST(codec, refuses_what_is_made_of_wrong_lengths) {
    const auto cells = encoded(record_of(2));
    const auto f = next_frame(bytes_of(cells), false);
    ASSERT_TRUE(f);
    core::usage_record r;
    for (std::size_t n = 0; n < f->payload.size(); ++n) EXPECT_FALSE(decode(f->payload.first(n), r)) << n;
    std::string payload(reinterpret_cast<const char*>(f->payload.data()), f->payload.size());
    payload[0] = 2;
    EXPECT_FALSE(decode({reinterpret_cast<const std::byte*>(payload.data()), payload.size()}, r));
}

TEST(codec, a_frame_belongs_to_its_file) {
    const auto r = record_of(3);
    std::vector<cell> out(frame_size(r) / 8);
    encode_frame(r, out.data()->bytes, 7);
    EXPECT_TRUE(next_frame(bytes_of(out), false, 7));
    EXPECT_FALSE(next_frame(bytes_of(out), false, 8));
    EXPECT_FALSE(next_frame(bytes_of(out), false));
    end_frames(out.data()->bytes);
    EXPECT_FALSE(next_frame(bytes_of(out), true, 7));
}

TEST(crc32c, is_the_known_one_by_table_and_by_instruction) {
    EXPECT_EQ(crc32c("123456789", 9), 0xe3069283U);
    std::string s;
    for (int i = 0; i < 100; ++i, s += static_cast<char>(i * 37))
        EXPECT_EQ(crc32c(s.data(), s.size()), crc32c_by_table(s.data(), s.size()));
}

}  // namespace
}  // namespace spillway::ledger
