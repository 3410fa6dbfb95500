#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace spillway::sim {

// The bytes of a file. Up to `whole_limit` all of them are kept. Of a longer one only the first `period` bytes are,
// with the length and the digest of all: part() repeats them. So a long file that repeats itself after `period` bytes
// comes back as it was, and any other one with its length alone.
class blob {
public:
    static constexpr std::uint64_t whole_limit = 16ULL * 1024 * 1024, period = 1024ULL * 1024;

    blob();
    explicit blob(std::string_view bytes);

    void add(std::string_view bytes);
    void add(const blob& other);

    std::uint64_t size() const noexcept { return size_; }
    bool whole() const noexcept { return size_ == kept_.size(); }
    // All bytes when it is whole, else the beginning.
    const std::string& kept() const noexcept { return kept_; }
    std::string part(std::uint64_t from, std::uint64_t length) const;
    // SHA-256 of all bytes that came, as hexadecimal digits.
    std::string digest() const;

private:
    struct freed {
        void operator()(EVP_MD_CTX* c) const noexcept { EVP_MD_CTX_free(c); }
    };
    std::unique_ptr<EVP_MD_CTX, freed> running_;
    std::string kept_;
    std::uint64_t size_{0};
};

}  // namespace spillway::sim
