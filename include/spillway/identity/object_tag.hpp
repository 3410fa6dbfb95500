#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/base/freed.hpp>
#include <spillway/base/secret_text.hpp>

// Who may use an object that lies on an instance: the proof of it is part of the object's id.
namespace spillway::identity {

struct tag_key {
    std::uint8_t number{0};  // 0 to 61, told in each tag, so that keys can be rotated
    secret_text secret;
};

// An instance as tags name it: base62 of a hash of its name. Depends on the name alone, in every process and release.
using instance_code = std::array<char, 5>;
instance_code code_of_instance(std::string_view name) noexcept;

// Makes and opens tags. A tag is 16 characters of [A-Za-z0-9] behind an id: the key's number, the instance's code,
// and ten of an HMAC-SHA256 (59.5 bits) over the key's number, purpose, id, code and owner. Encrypted reasoning gets
// the same in front, as a mark: `sw1.`, the 16 characters, a dot. Immutable: all threads may use one at a time.
class tag_ring {
public:
    static constexpr std::size_t tag_size = 16;
    static constexpr std::string_view mark_front = "sw1.";
    static constexpr std::size_t mark_size = mark_front.size() + tag_size + 1;
    static constexpr std::size_t mark_head = 64;
    static constexpr std::size_t shortest_secret = 16;

    // The first key writes, all of them read. `instances` by the configuration's numbers. Fault: no key, a number
    // twice or above 61, a secret shorter than shortest_secret, two instances with one code.
    static result<tag_ring> make(std::span<const tag_key> keys, std::span<const std::string> instances);

    // What was opened. A view of what was given, without tag or mark; no instance: it has left the configuration.
    struct opened {
        std::string_view text;
        std::optional<std::size_t> instance;
    };

    // Appends the tag alone; the id stands before it. Throws std::out_of_range for an instance that there is not.
    void append(std::string& out, std::string_view id, std::size_t instance, std::string_view owner) const;
    // Nothing: no tag of ours, forged, cut, of a key that is gone, or of another owner. Which of them is not told.
    std::optional<opened> open(std::string_view tagged, std::string_view owner) const;
    // Whether it has the form of a tagged id of a key and an instance that are known. Proves nothing.
    bool looks_tagged(std::string_view id) const noexcept;

    // `blob`: the reasoning as decoded from JSON, or its first mark_head bytes: by these it is known, so that the
    // mark can be written before the rest has come.
    void append_mark(std::string& out, std::string_view blob, std::size_t instance, std::string_view owner) const;
    std::optional<opened> open_mark(std::string_view marked, std::string_view owner) const;
    // Whether it begins as a mark does, of any key.
    static bool looks_marked(std::string_view text) noexcept;

private:
    enum class purpose : std::uint8_t { object = 1, reasoning = 2 };
    using mac_context = owned<EVP_MAC_CTX, EVP_MAC_CTX_free>;
    using tag = std::array<char, tag_size>;
    struct key {
        std::uint8_t number;
        mac_context prepared;  // has read the secret; each use works on a copy
    };

    tag_ring() = default;
    static tag make_tag(const key& by, purpose why, std::string_view text, const instance_code& code,
                        std::string_view owner);
    tag tag_for(purpose why, std::string_view text, std::size_t instance, std::string_view owner) const;
    std::optional<opened> judge(purpose why, std::string_view shown, std::string_view text, std::string_view owner,
                                std::string_view rest) const;
    const key* find_key(char number) const noexcept;
    std::optional<std::size_t> find_instance(std::string_view code) const noexcept;

    std::vector<key> keys_;
    std::vector<instance_code> codes_;                           // by instance
    std::vector<std::pair<instance_code, std::size_t>> sorted_;  // by code
};

}  // namespace spillway::identity
