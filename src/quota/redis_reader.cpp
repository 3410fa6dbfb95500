#include "redis_reader.hpp"

#include <algorithm>
#include <charconv>

namespace spillway::quota {
namespace {

constexpr std::size_t most_digits = 32;
constexpr std::size_t slack = 64 * 1024;  // of the answers behind the one that is being read

}  // namespace

redis_reader::step redis_reader::fail(std::string_view what) {
    error_ = what;
    bytes_ = {};
    at_ = 0;
    return step::broken;
}

void redis_reader::clear() noexcept {
    bytes_ = {};
    error_.clear();
    at_ = 0;
}

bool redis_reader::feed(std::string_view bytes) {
    if (broken()) return false;
    if (bytes.size() > most_bytes + slack - std::min(waiting(), most_bytes + slack)) {
        fail("an answer is too long");
        return false;
    }
    bytes_.erase(0, at_);
    at_ = 0;
    bytes_ += bytes;
    return true;
}

redis_reader::step redis_reader::line(std::size_t& at, std::size_t most, std::string_view& out) {
    const auto rest = std::string_view(bytes_).substr(at);
    const auto end = rest.substr(0, most + 2).find("\r\n");
    if (end == std::string_view::npos) return rest.size() > most + 1 ? fail("a line has no end") : step::more;
    out = rest.substr(0, end);
    at += end + 2;
    return step::done;
}

redis_reader::step redis_reader::number(std::size_t& at, std::int64_t& out) {
    std::string_view digits;
    if (const auto s = line(at, most_digits, digits); s != step::done) return s;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    if (ec != std::errc() || end != digits.data() + digits.size()) return fail("a number is none");
    return step::done;
}

redis_reader::step redis_reader::text(std::size_t& at, redis_value& out) {
    std::int64_t size = 0;
    if (const auto s = number(at, size); s != step::done) return s;
    out.what = redis_value::kind::nothing;
    if (size == -1) return step::done;
    if (size < 0 || static_cast<std::size_t>(size) > most_bytes) return fail("a text is too long");
    const auto length = static_cast<std::size_t>(size);
    if (bytes_.size() - at < length + 2) return step::more;
    if (bytes_.compare(at + length, 2, "\r\n") != 0) return fail("a text has no end");
    out.what = redis_value::kind::text;
    out.text.assign(bytes_, at, length);
    at += length + 2;
    return step::done;
}

redis_reader::step redis_reader::list(std::size_t& at, redis_value& out) {
    std::int64_t size = 0;
    if (const auto s = number(at, size); s != step::done) return s;
    out.what = redis_value::kind::nothing;
    if (size == -1) return step::done;
    if (size < 0 || static_cast<std::size_t>(size) > most_items) return fail("a list is too long");
    out.what = redis_value::kind::list;
    out.items.clear();
    for (std::int64_t i = 0; i < size; ++i) {
        if (at == bytes_.size()) return step::more;
        const char type = bytes_[at++];
        redis_value part;
        auto& item = out.items.emplace_back();
        auto s = step::done;
        if (type == ':') {
            s = number(at, item.number);
        } else if (type == '$') {
            s = text(at, part);
            if (s == step::done && part.what == redis_value::kind::nothing)
                return fail("a part of a list is missing");
            item.text = std::move(part.text);
        } else {
            return fail("a part of a list is neither number nor text");
        }
        if (s != step::done) return s;
    }
    return step::done;
}

redis_reader::step redis_reader::value(std::size_t& at, redis_value& out) {
    if (at == bytes_.size()) return step::more;
    const char type = bytes_[at++];
    std::string_view words;
    switch (type) {
        case '+':
        case '-':
            if (const auto s = line(at, most_line, words); s != step::done) return s;
            out.what = type == '+' ? redis_value::kind::status : redis_value::kind::error;
            out.text = words;
            return step::done;
        case ':': out.what = redis_value::kind::number; return number(at, out.number);
        case '$': return text(at, out);
        case '*': return list(at, out);
        default: return fail("an answer is no Redis protocol");
    }
}

std::optional<redis_value> redis_reader::next() {
    if (broken()) return std::nullopt;
    redis_value out;
    std::size_t at = at_;
    switch (value(at, out)) {
        case step::done: at_ = at; return out;
        case step::more:
            if (waiting() > most_bytes) fail("an answer is too long");
            return std::nullopt;
        case step::broken: break;
    }
    return std::nullopt;
}

}  // namespace spillway::quota
