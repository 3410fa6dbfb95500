#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include <spillway/base/secret_text.hpp>
#include <spillway/identity/token_provider.hpp>

namespace spillway::proxy {

// A token that was verified: whose it is, and until when that may be believed under which configuration and keys.
struct known_token {
    secret_text text;
    std::size_t client{0};
    bool passthrough_only{false};
    std::uint64_t generation{0};  // of the configuration
    std::shared_ptr<identity::token_provider> provider;
    std::uint64_t version{0};  // of its keys
    wall_time believed_until{};

    bool holds(std::uint64_t now_generation, wall_time now) const noexcept {
        return generation == now_generation && now < believed_until && version == provider->version();
    }
    // In a time that depends on the lengths alone.
    bool is(std::string_view token) const noexcept;
};

// The tokens that one worker has verified, by their SHA-256. Bounded: the oldest gives way.
class token_cache {
public:
    static constexpr std::size_t capacity = 4096;
    using digest = std::array<std::uint8_t, 32>;

    std::shared_ptr<const known_token> find(const digest& d) const noexcept {
        const auto at = known_.find(d);
        return at == known_.end() ? nullptr : at->second.token;
    }
    void add(const digest& d, std::shared_ptr<const known_token> t);
    std::size_t size() const noexcept { return known_.size(); }
    void forget(const digest& d) noexcept;

private:
    struct hash {
        std::size_t operator()(const digest& d) const noexcept {
            std::size_t h;
            std::memcpy(&h, d.data(), sizeof h);
            return h;
        }
    };
    struct entry {
        std::shared_ptr<const known_token> token;
        std::list<digest>::iterator place;
    };
    std::unordered_map<digest, entry, hash> known_;
    std::list<digest> order_;  // of arrival, each that is known and no other
};

}  // namespace spillway::proxy
