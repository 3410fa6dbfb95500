#include "incoming_answer.hpp"

#include <algorithm>
#include <utility>

#include <spillway/http/head.hpp>

namespace spillway::net {

namespace bhttp = boost::beast::http;

incoming_answer::incoming_answer(std::size_t most_body)
    : most_body_(most_body),
      bytes_(most_head + most_at_once, '\0') {  // never grows: that would leave copies of secrets behind
    expect_head();
}

incoming_answer::~incoming_answer() {
    cleanse(bytes_);
    cleanse(parser_->get().body());
}

void incoming_answer::expect_head() {
    parser_.emplace();
    parser_->header_limit(most_head);
    parser_->body_limit(most_body_);
    head_begin_ = next_;
}

std::optional<fault> incoming_answer::take(std::size_t size) {
    end_ += size;
    for (bool more = false; next_ < end_ && !done() && !more;)
        if (auto trouble = parse(more)) return trouble;
    // A head stays until it is complete.
    const std::size_t begin = parser_->is_header_done() ? next_ : head_begin_;
    std::copy(bytes_.data() + begin, bytes_.data() + end_, bytes_.data());
    next_ -= begin;
    end_ -= begin;
    head_begin_ = 0;
    return std::nullopt;
}

// One step of the parser: a head as far as it came, the line of a chunk, a stretch of the body.
std::optional<fault> incoming_answer::parse(bool& more) {
    const bool in_head = !parser_->is_header_done();
    const std::size_t most = in_head ? most_head - (next_ - head_begin_) : most_piece;
    const std::size_t size = std::min(end_ - next_, most);
    // No chunked body ends in fewer bytes, and Beast asserts that it sees as many.
    more = !in_head && parser_->chunked() && size < 5;
    if (more) return std::nullopt;
    boost::beast::error_code ec;
    const std::size_t taken = parser_->put(boost::asio::buffer(bytes_.data() + next_, size), ec);
    next_ += taken;
    if (!in_head) framed_ += taken;
    more = ec == bhttp::error::need_more && size < most;
    if (ec && !more) {
        if (ec == bhttp::error::body_limit) return fetch_fault("FetchTooLarge", "the answer is too long");
        if (in_head && (ec == bhttp::error::need_more || ec == bhttp::error::header_limit))
            return fetch_fault("FetchTooLarge", "the head is too long");
        return fetch_fault("FetchFailed", in_head ? "the answer is no HTTP" : "the answer's framing is broken");
    }
    // What frames a body may be longer than the body, but not without end.
    if (framed_ > 8 * most_body_ + most_head) return fetch_fault("FetchTooLarge", "the answer is too long");
    return in_head && parser_->is_header_done() ? end_head() : std::nullopt;
}

std::optional<fault> incoming_answer::end_head() {
    const auto& head = parser_->get();
    out_.status = static_cast<int>(head.result_int());
    if (out_.status < 100) return fetch_fault("FetchFailed", "the answer is no HTTP");
    if (out_.status >= 200) {
        out_.head.assign(bytes_, head_begin_, next_ - head_begin_);
        const auto wait = head[bhttp::field::retry_after];
        out_.retry_after.assign(wait.data(), wait.size());
        return std::nullopt;
    }
    if (++interim_ > http::most_interim_heads) return fetch_fault("FetchFailed", "interim answers without end");
    expect_head();
    return std::nullopt;
}

bool incoming_answer::end() {
    if (!parser_->got_some()) return false;
    boost::beast::error_code ec;
    parser_->put_eof(ec);
    return !ec;
}

incoming_answer::content incoming_answer::release() {
    out_.body = std::move(parser_->get().body());
    return std::move(out_);
}

}  // namespace spillway::net
