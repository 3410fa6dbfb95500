#include <spillway/http/content_decoder.hpp>

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <limits>

namespace spillway::http {
namespace {

using state = decoded::state;

class gzip_decoder final : public content_decoder {
public:
    gzip_decoder() noexcept { ready_ = inflateInit2(&z_, 16 + MAX_WBITS) == Z_OK; }
    ~gzip_decoder() override { inflateEnd(&z_); }
    gzip_decoder(const gzip_decoder&) = delete;
    gzip_decoder& operator=(const gzip_decoder&) = delete;

    decoded step(std::string_view in, std::span<char> out) noexcept override {
        if (!ready_) return {0, 0, state::no_memory};
        constexpr std::size_t most = std::numeric_limits<uInt>::max();
        z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
        z_.avail_in = static_cast<uInt>(std::min(in.size(), most));
        z_.next_out = reinterpret_cast<Bytef*>(out.data());
        z_.avail_out = static_cast<uInt>(std::min(out.size(), most));
        const auto in_before = z_.avail_in, out_before = z_.avail_out;
        const int r = inflate(&z_, Z_NO_FLUSH);
        decoded d{in_before - z_.avail_in, out_before - z_.avail_out, state::more};
        if (r == Z_STREAM_END) {
            // A second member would be decoded by some readers and ignored by others.
            d.now = d.consumed == in.size() ? state::done : state::broken;
        } else if (r == Z_MEM_ERROR) {
            d.now = state::no_memory;
        } else if ((r != Z_OK && r != Z_BUF_ERROR) || (d.consumed == in.size() && z_.avail_out != 0)) {
            d.now = state::broken;
        }
        return d;
    }
    // zlib's own figure: the window of 32 KiB and its tables.
    std::size_t memory() const noexcept override { return 48 * 1024; }

private:
    z_stream z_{};
    bool ready_{false};
};

class zstd_decoder final : public content_decoder {
public:
    zstd_decoder() noexcept : z_(ZSTD_createDCtx()) {
        if (z_ != nullptr) ZSTD_DCtx_setParameter(z_, ZSTD_d_windowLogMax, zstd_window_bits);
    }
    ~zstd_decoder() override { ZSTD_freeDCtx(z_); }
    zstd_decoder(const zstd_decoder&) = delete;
    zstd_decoder& operator=(const zstd_decoder&) = delete;

    decoded step(std::string_view in, std::span<char> out) noexcept override {
        if (z_ == nullptr) return {0, 0, state::no_memory};
        ZSTD_inBuffer from{in.data(), in.size(), 0};
        ZSTD_outBuffer to{out.data(), out.size(), 0};
        // The library ends at the end of a frame; encoders that flush by frames write several.
        const std::size_t r = ZSTD_decompressStream(z_, &to, &from);
        decoded d{from.pos, to.pos, state::more};
        if (ZSTD_isError(r) != 0)
            d.now =
                ZSTD_getErrorCode(r) == ZSTD_error_frameParameter_windowTooLarge ? state::too_wide : state::broken;
        else if (r == 0) d.now = d.consumed == in.size() ? state::done : state::more;
        else if (d.consumed == in.size() && to.pos < to.size) d.now = state::broken;
        return d;
    }
    std::size_t memory() const noexcept override { return z_ != nullptr ? ZSTD_sizeof_DCtx(z_) : 0; }

private:
    ZSTD_DCtx* z_;
};

}  // namespace

std::unique_ptr<content_decoder> content_decoder::make(content_coding coding) {
    if (coding == content_coding::gzip) return std::make_unique<gzip_decoder>();
    if (coding == content_coding::zstd) return std::make_unique<zstd_decoder>();
    return nullptr;
}

}  // namespace spillway::http
