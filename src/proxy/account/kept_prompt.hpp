#pragma once

#include <string>

#include "../request/memory_hold.hpp"

namespace spillway::proxy {

// The body of a stream's request, kept beyond the request for an estimate of its tokens. Bounded, and counted as
// memory of request bodies.
class kept_prompt {
public:
    explicit kept_prompt(const setting& at) noexcept : memory_(at) {}

    // Nothing is kept when the body is too long, or the client's share of memory is used up. `usage_is_told`: only a
    // stream that breaks off needs it, so less is kept.
    void keep(std::size_t client, std::string_view body, bool usage_is_told) {
        constexpr std::size_t usual = 64 * 1024, asked = 8 * 1024;
        memory_.belongs_to(client);
        if (body.size() <= (usage_is_told ? asked : usual) && memory_.try_hold(body.size())) text_.assign(body);
    }
    std::string take() noexcept { return std::move(text_); }
    void put_back(std::string text) noexcept { text_ = std::move(text); }

private:
    memory_hold memory_;
    std::string text_;
};

}  // namespace spillway::proxy
