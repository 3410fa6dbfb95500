#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <string>

#include <spillway/http/content_decoder.hpp>

namespace spillway::http {
namespace {

std::string gzip(const std::string& plain, int window = 16 + MAX_WBITS) {
    z_stream z{};
    deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
    std::string out(deflateBound(&z, plain.size()) + 64, '\0');
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
    z.avail_in = static_cast<uInt>(plain.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    deflate(&z, Z_FINISH);
    out.resize(out.size() - z.avail_out);
    deflateEnd(&z);
    return out;
}

std::string zstd(const std::string& plain, int window_bits = 0) {
    ZSTD_CCtx* c = ZSTD_createCCtx();
    if (window_bits != 0) {
        ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_bits);
        ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
    }
    std::string out(ZSTD_compressBound(plain.size()) + 64, '\0');
    ZSTD_inBuffer in{plain.data(), plain.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    // In two calls, so that the encoder does not learn the size and narrow its window.
    ZSTD_compressStream2(c, &to, &in, ZSTD_e_continue);
    while (ZSTD_compressStream2(c, &to, &in, ZSTD_e_end) != 0) {
    }
    out.resize(to.pos);
    ZSTD_freeCCtx(c);
    return out;
}

struct outcome {
    decoded::state end;
    std::string text;
};

outcome decode(content_coding coding, std::string_view encoded, std::size_t room = 1000) {
    const auto d = content_decoder::make(coding);
    outcome out{decoded::state::more, {}};
    std::string memory(room, '\0');
    for (int i = 0; i < 100'000 && out.end == decoded::state::more; ++i) {
        const auto r = d->step(encoded, memory);
        out.text.append(memory.data(), r.produced);
        encoded.remove_prefix(r.consumed);
        out.end = r.now;
    }
    return out;
}

std::string some_text(std::size_t n) {
    std::string out;
    for (std::size_t i = 0; out.size() < n; ++i) out += "{\"n\":" + std::to_string(i * 7919) + "}";
    return out.substr(0, n);
}

TEST(content_decoder, gives_back_what_was_encoded) {
    for (const std::size_t size : {0U, 1U, 999U, 1000U, 1001U, 100'000U})
        for (const std::size_t room : {1U, 1000U, 200'000U}) {
            if (room == 1 && size > 2000) continue;
            const auto plain = some_text(size);
            const std::pair<content_coding, std::string> cases[] = {{content_coding::gzip, gzip(plain)},
                                                                    {content_coding::zstd, zstd(plain)}};
            for (const auto& [coding, encoded] : cases) {
                const auto got = decode(coding, encoded, room);
                EXPECT_EQ(got.end, decoded::state::done) << size << ' ' << room;
                EXPECT_EQ(got.text, plain);
            }
        }
}

TEST(content_decoder, several_frames_of_zstd_are_one_body) {
    const auto got = decode(content_coding::zstd, zstd("one ") + zstd("") + zstd("two"));
    EXPECT_EQ(got.end, decoded::state::done);
    EXPECT_EQ(got.text, "one two");
}

TEST(content_decoder, refuses_what_is_damaged_cut_or_followed_by_more) {
    const auto plain = some_text(5000);
    for (const auto coding : {content_coding::gzip, content_coding::zstd}) {
        const auto good = coding == content_coding::gzip ? gzip(plain) : zstd(plain);
        for (std::size_t cut = 0; cut < good.size(); cut += 7)
            EXPECT_EQ(decode(coding, good.substr(0, cut)).end, decoded::state::broken) << cut;
        EXPECT_EQ(decode(coding, good + "x").end, decoded::state::broken);
        EXPECT_EQ(decode(coding, plain).end, decoded::state::broken);
        EXPECT_EQ(decode(coding, "").end, decoded::state::broken);
    }
    EXPECT_EQ(decode(content_coding::gzip, gzip("a") + gzip("b")).end, decoded::state::broken);
    EXPECT_EQ(decode(content_coding::gzip, gzip(plain, MAX_WBITS)).end,
              decoded::state::broken);  // zlib's own wrapping
    EXPECT_EQ(decode(content_coding::gzip, gzip(plain, -MAX_WBITS)).end, decoded::state::broken);
}

TEST(content_decoder, a_window_that_is_too_large_is_refused_before_its_memory_is_taken) {
    const auto encoded = zstd(some_text(100'000), 27);
    EXPECT_EQ(decode(content_coding::zstd, encoded).end, decoded::state::too_wide);
    const auto d = content_decoder::make(content_coding::zstd);
    std::array<char, 1000> room;
    d->step(encoded, room);
    EXPECT_LT(d->memory(), 1U << 20);
    EXPECT_EQ(decode(content_coding::zstd, zstd(some_text(100'000), 23)).end, decoded::state::done);
}

}  // namespace
}  // namespace spillway::http
