#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace spillway::quota {

// Part of a list: a number or a text.
struct redis_item {
    std::int64_t number{0};
    std::string text;
};

struct redis_value {
    enum class kind : std::uint8_t { status, error, number, text, nothing, list };
    kind what{kind::nothing};
    std::int64_t number{0};
    std::string text;  // of `error`: the whole line
    std::vector<redis_item> items;
};

// Takes Redis' answers (RESP2) apart: as much of them as the gateway's questions can be answered with. Everything
// else is broken, and nothing is believed that was not read to its end. The size of an answer is bounded before any
// memory is taken for it. hiredis' reader knows no bound, neither for texts nor for lists.
class redis_reader {
public:
    static constexpr std::size_t most_bytes = 1 << 20;  // of one answer
    static constexpr std::size_t most_items = 1 << 14;
    static constexpr std::size_t most_line = 64 * 1024;

    // False: broken.
    bool feed(std::string_view bytes);
    // The next answer. Nothing: more bytes are needed, or it is broken.
    std::optional<redis_value> next();
    bool broken() const noexcept { return !error_.empty(); }
    const std::string& error() const noexcept { return error_; }
    // No byte waits that belongs to a later answer.
    bool empty() const noexcept { return at_ == bytes_.size(); }
    std::size_t waiting() const noexcept { return bytes_.size() - at_; }
    void clear() noexcept;

private:
    enum class step : std::uint8_t { done, more, broken };
    step line(std::size_t& at, std::size_t most, std::string_view& out);
    step number(std::size_t& at, std::int64_t& out);
    step text(std::size_t& at, redis_value& out);
    step list(std::size_t& at, redis_value& out);
    step value(std::size_t& at, redis_value& out);
    step fail(std::string_view what);

    std::string bytes_, error_;
    std::size_t at_{0};
};

}  // namespace spillway::quota
