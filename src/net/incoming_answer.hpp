#pragma once

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <spillway/base/fault.hpp>
#include <spillway/base/secret_text.hpp>

namespace spillway::net {

inline fault fetch_fault(std::string_view code, std::string message) {
    return {.code = code, .who = origin::upstream, .status = 502, .message = std::move(message)};
}

// One whole answer, as its bytes come: Beast's parser behind bounds. Beast bounds the body, but not a head of many
// fields, the line of a chunk, or trailers; so it is shown no more at once than one of these may have. The memory is
// overwritten afterwards.
//
//   while (!answer.done()) answer.take(read(answer.room()));
class incoming_answer {
public:
    explicit incoming_answer(std::size_t most_body);
    incoming_answer(const incoming_answer&) = delete;
    incoming_answer& operator=(const incoming_answer&) = delete;
    ~incoming_answer();

    bool done() const noexcept { return parser_->is_done(); }
    // Where the next bytes go.
    std::span<char> room() noexcept { return {bytes_.data() + end_, most_at_once}; }
    // So many of them came. A fault: this cannot become an answer any more.
    std::optional<fault> take(std::size_t size);
    // The connection has ended. False: before the answer was complete.
    bool end();
    struct content {
        int status{0};
        std::string head, body, retry_after;
    };
    // Of one that is done.
    content release();

private:
    static constexpr std::size_t most_at_once = 8 * 1024;
    static constexpr std::size_t most_head = 64 * 1024;
    static constexpr std::size_t most_piece = 8 * 1024;  // of what frames a body: a chunk's line, or all trailers

    void expect_head();
    std::optional<fault> end_head();
    std::optional<fault> parse(bool& more);

    const std::size_t most_body_;
    std::optional<boost::beast::http::response_parser<boost::beast::http::string_body>> parser_;
    std::string bytes_;
    std::size_t next_{0}, end_{0};  // what the parser has not taken yet
    std::size_t head_begin_{0}, interim_{0};
    std::size_t framed_{0};  // bytes of the body with its framing
    content out_;
};

}  // namespace spillway::net
