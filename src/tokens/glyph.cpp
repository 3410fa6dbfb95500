#include "glyph.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "embedded.hpp"
#include "little_endian.hpp"

namespace spillway::tokens {

const glyph_table& glyph_table::get() {
    static const glyph_table table;
    return table;
}

glyph_table::glyph_table() {
    constexpr std::size_t all = 0x110000, block = 256;
    const auto data = embedded::unicode();
    const auto runs = little_endian<std::uint32_t>(data, 4);
    std::vector<glyph> flat(all, glyph::other);
    for (std::size_t i = 0; i < runs; ++i) {
        const auto run = little_endian<std::uint32_t>(data, 8 + 4 * i);
        const auto next = i + 1 < runs ? little_endian<std::uint32_t>(data, 12 + 4 * i) & 0xffffff : all;
        std::fill(flat.begin() + (run & 0xffffff), flat.begin() + static_cast<std::ptrdiff_t>(next),
                  static_cast<glyph>(run >> 24));
    }
    std::copy_n(flat.begin(), ascii_.size(), ascii_.begin());
    std::unordered_map<std::string_view, std::uint16_t> known;
    for (std::size_t i = 0; i < index_.size(); ++i) {
        const std::string_view bytes(reinterpret_cast<const char*>(flat.data()) + i * block, block);
        const auto [it, fresh] = known.try_emplace(bytes, static_cast<std::uint16_t>(known.size()));
        const auto first = flat.begin() + static_cast<std::ptrdiff_t>(i * block);
        if (fresh) blocks_.insert(blocks_.end(), first, first + block);
        index_[i] = it->second;
    }
}

}  // namespace spillway::tokens
