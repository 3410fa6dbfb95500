#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include <spillway/http/json_scan.hpp>

// How a gateway makes a backend tell the usage of a chat or completions stream: `stream_options.include_usage`.
namespace spillway::http {

// The `removed` bytes at `offset` of the body give way to `inserted`; every other byte stays.
struct usage_edit {
    std::size_t offset{0};
    std::size_t removed{0};
    std::string_view inserted;  // static
};

// Whether the client itself asks, so that the extra chunk is its own.
bool client_asks_for_usage(const json_member& stream_options) noexcept;

// What makes `stream_options.include_usage` true. `query` is a finished scan of `body`, and `stream_options` the
// member of it. Nothing: the client asks already, or it has sent something there that the backend has to judge (no
// object, no truth value, a name twice or in other letters), which then stays as it is.
std::optional<usage_edit> ask_for_usage(std::string_view body, const json_query& query,
                                        const json_member& stream_options) noexcept;

// Whether the API of a dated path knows the option: since 2024-09-01-preview; earlier ones answer 400. Paths of v1
// always know it, and so do their version names.
bool usage_can_be_asked(std::string_view api_version) noexcept;

}  // namespace spillway::http
