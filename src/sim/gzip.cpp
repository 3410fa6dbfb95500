#include "gzip.hpp"

#include <zlib.h>

#include <array>
#include <stdexcept>

namespace spillway::sim {
namespace {

class encoder {
public:
    encoder() {
        constexpr int gzip_framing = 15 + 16;
        if (::deflateInit2(&z_, Z_BEST_SPEED, Z_DEFLATED, gzip_framing, 8, Z_DEFAULT_STRATEGY) != Z_OK)
            throw std::runtime_error("zlib cannot begin");
    }
    encoder(const encoder&) = delete;
    encoder& operator=(const encoder&) = delete;
    ~encoder() { ::deflateEnd(&z_); }

    std::string encode(std::string text, bool last) {
        std::string out;
        std::array<char, 4096> room;
        z_.next_in = reinterpret_cast<Bytef*>(text.data());
        z_.avail_in = static_cast<uInt>(text.size());
        do {
            z_.next_out = reinterpret_cast<Bytef*>(room.data());
            z_.avail_out = static_cast<uInt>(room.size());
            ::deflate(&z_, last ? Z_FINISH : Z_SYNC_FLUSH);
            out.append(room.data(), room.size() - z_.avail_out);
        } while (z_.avail_out == 0);
        return out;
    }

private:
    z_stream z_{};
};

}  // namespace

void compress(answer& a) {
    encoder z;
    for (std::size_t i = 0; i < a.pieces.size(); ++i)
        a.pieces[i].bytes = z.encode(std::move(a.pieces[i].bytes), i + 1 == a.pieces.size());
    a.headers.emplace_back("Content-Encoding", "gzip");
}

}  // namespace spillway::sim
