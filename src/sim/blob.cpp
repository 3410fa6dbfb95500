#include "blob.hpp"

#include <algorithm>
#include <array>

#include <spillway/base/text.hpp>

namespace spillway::sim {

blob::blob() : running_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(running_.get(), EVP_sha256(), nullptr); }

blob::blob(std::string_view bytes) : blob() { add(bytes); }

void blob::add(std::string_view bytes) {
    EVP_DigestUpdate(running_.get(), bytes.data(), bytes.size());
    const bool was_whole = whole();
    size_ += bytes.size();
    if (!was_whole) return;
    if (size_ <= whole_limit) {
        kept_ += bytes;
        return;
    }
    if (kept_.size() < period) kept_ += bytes.substr(0, period - kept_.size());
    kept_.resize(period);
    kept_.shrink_to_fit();
}

void blob::add(const blob& other) {
    constexpr std::uint64_t block = 256 * 1024;
    for (std::uint64_t at = 0; at < other.size(); at += block) add(other.part(at, block));
}

std::string blob::part(std::uint64_t from, std::uint64_t length) const {
    std::string out;
    if (from >= size_) return out;
    length = std::min(length, size_ - from);
    while (out.size() < length) {
        const std::uint64_t at = (from + out.size()) % kept_.size();
        out.append(kept_, at, length - out.size());
    }
    return out;
}

std::string blob::digest() const {
    std::unique_ptr<EVP_MD_CTX, freed> copy(EVP_MD_CTX_new());
    std::array<std::uint8_t, 32> out{};
    unsigned length = out.size();
    EVP_MD_CTX_copy_ex(copy.get(), running_.get());
    EVP_DigestFinal_ex(copy.get(), out.data(), &length);
    return text::to_hex(out);
}

}  // namespace spillway::sim
