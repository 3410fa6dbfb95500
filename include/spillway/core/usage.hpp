#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <spillway/core/usage_record.hpp>

namespace spillway::core {

// Reads a `usage` object of any family: prompt_tokens/completion_tokens with their details (chat, completions,
// embeddings, Assistants), input_tokens/output_tokens (Responses, images, audio). A count that is null, negative, no
// number or beyond most_tokens counts as missing, a fraction is dropped, and no part is larger than its sum. Where
// the prompt's count is missing it is taken from total_tokens. Nothing: the text is no whole JSON object, or tells no
// tokens at all (audio billed by duration).
std::optional<token_counts> parse_usage(std::string_view usage_object_json) noexcept;

// Bytes of a request's body as far as they are prompt, never more than it has: a picture, a sound or a file counts as
// much as one usually costs (765 tokens of four bytes), whatever its size. That is what stands as base64 in a data
// URL of `url`, `image_url`, `file_url`, `file_data` or `data`, or alone in `data`, and goes on to the string's end.
// Text that only calls itself so counts as text.
std::uint64_t prompt_bytes(std::string_view body) noexcept;

// The same in slices, for bodies of megabytes.
class prompt_meter {
public:
    explicit prompt_meter(std::string_view body) noexcept;
    // Goes on for about so many bytes. False: there is more to do.
    bool go_on(std::size_t bytes) noexcept;
    std::uint64_t bytes() const noexcept { return bytes_; }

private:
    static constexpr auto npos = std::string_view::npos;

    // Where a text stands next.
    class mark {
    public:
        explicit mark(std::string_view text) noexcept : text_(text) {}
        std::size_t size() const noexcept { return text_.size(); }
        // From `from` on, but before `until`; npos: nowhere there.
        std::size_t next(std::string_view body, std::size_t from, std::size_t until) noexcept;

    private:
        std::string_view text_;
        std::size_t at_{npos}, searched_{0};
    };

    bool find_run(std::size_t until) noexcept;
    void end_run() noexcept;

    std::string_view body_;
    std::uint64_t bytes_;
    std::size_t at_{0}, run_{npos};  // where it goes on; where the run of base64 that is being read began
    mark url_{";base64,"}, member_{R"("data")"};
};

}  // namespace spillway::core
