#include <spillway/http/usage_tap.hpp>

#include <algorithm>
#include <cstring>
#include <new>

#include "bytes.hpp"
#include "json_blocks.hpp"

namespace spillway::http {
namespace {

// Azure puts a chunk's own text into {choices [{delta {content: at most four deep.
constexpr std::int32_t deepest_text = 4;

constexpr bool blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Ends a run of plain bytes in a string.
struct quote_or_backslash {
    bool operator()(unsigned char c) const noexcept { return c == '"' || c == '\\'; }
#if defined(__SSE2__)
    __m128i operator()(__m128i v) const noexcept {
        return _mm_or_si128(_mm_cmpeq_epi8(v, bytes::all('"')), _mm_cmpeq_epi8(v, bytes::all('\\')));
    }
#endif
};

}  // namespace

void usage_tap::cut() noexcept {
    state_ = state::search;
    text_ = text_of::plain;
    depth_ = 0;
    held_size_ = 0;
    in_string_ = escape_ = response_ = false;
}

void usage_tap::reset() noexcept {
    cut();
    sink_ = nullptr;
    limit_ = 0;
    size_ = 0;
    text_bytes_ = 0;
    model_size_ = 0;
}

void usage_tap::want_text(std::string* sink, std::size_t limit) noexcept {
    sink_ = sink;
    limit_ = limit;
}

void usage_tap::event_name(std::string_view event) noexcept {
    text_ = event.empty()                     ? text_of::plain
            : event.ends_with(".audio.delta") ? text_of::none  // base64
            : event.ends_with(".delta")       ? text_of::delta
                                              : text_of::none;
}

void usage_tap::feed(std::string_view bytes) noexcept {
    std::size_t at = 0;
    while (at < bytes.size()) {
        switch (state_) {
            case state::search: at = search(bytes, at); break;
            case state::colon:
            case state::value: at = before_value(bytes, at); break;
            case state::usage: at = in_usage(bytes, at); break;
            case state::keep:
            case state::text: at = in_string(bytes, at); break;
        }
    }
}

void usage_tap::feed_whole(std::string_view text) noexcept {
    if (sink_ == nullptr && model_size_ != 0 && bytes::find_text(text, "\"usage\"") == std::string_view::npos) return;
    feed(text);
}

usage_tap::name usage_tap::classify(std::string_view s) noexcept {
    switch (s.size()) {
        case 4: return s == "text" ? name::text : s == "type" ? name::type : name::none;
        case 5:
            if (s == "usage") return name::usage;
            if (s == "model") return name::model;
            return s == "delta" ? name::delta : s == "value" ? name::value : name::none;
        case 7: return s == "content" || s == "refusal" ? name::text : name::none;
        case 8: return s == "response" ? name::response : name::none;
        case 9: return s == "arguments" ? name::arguments : name::none;
        case 17: return s == "reasoning_content" ? name::text : name::none;
        default: return name::none;
    }
}

char usage_tap::first_byte(name n) noexcept { return n == name::usage || n == name::response ? '{' : '"'; }

bool usage_tap::wanted(name n, std::int32_t depth) const noexcept {
    switch (n) {
        case name::none: return false;
        // Deeper it may be the client's text: a Responses answer repeats the tools that it has made up.
        case name::usage: return depth == 1 || (depth == 2 && response_);
        case name::model: return model_size_ == 0 && (depth == 1 || (depth == 2 && response_));
        case name::response: return depth == 1;
        case name::type: return sink_ != nullptr && depth == 1;
        case name::delta: return sink_ != nullptr && depth == 1 && text_ != text_of::none;
        case name::value: return sink_ != nullptr && text_ == text_of::delta;
        case name::arguments: return sink_ != nullptr && text_ != text_of::none;
        case name::text: return sink_ != nullptr && text_ == text_of::plain && depth <= deepest_text;
    }
    return false;
}

struct usage_tap::scan {
    // Looks for a wanted name; returns where it stopped.
    template <class Machine>
    [[gnu::always_inline]] static std::size_t search(usage_tap& t, std::string_view bytes, std::size_t at) noexcept {
        using namespace json_blocks;
        std::size_t begun = at;  // where the open string goes on in this slice
        while (at < bytes.size()) {
            const std::size_t n = std::min(block_bytes, bytes.size() - at);
            block b = load<Machine>(bytes.data() + at, n);
            drop_escaped(b, n, t.escape_);
            if (t.in_string_ && b.quote == 0) {
                at += n;
                continue;
            }
            const std::uint64_t inside = inside_strings<Machine>(b.quote, t.in_string_);
            const std::uint64_t unknown = std::uint64_t{1} << (n - 1);  // what follows is not seen yet
            std::uint64_t ends = b.quote & ~inside & (b.after_name >> 1 | unknown);
            // Where no text is wanted, most names go by their last letter; that of the first one may be in the block
            // before.
            if (t.sink_ == nullptr) ends &= b.e_or_l << 1 | 1;
            for (; ends != 0; ends &= ends - 1) {
                const auto end = static_cast<unsigned>(std::countr_zero(ends));
                const std::uint64_t before = b.quote & bits_below(end);
                const std::size_t from = before == 0 ? begun : at + static_cast<unsigned>(std::bit_width(before));
                std::string_view s = bytes.substr(from, at + end - from);
                if (before == 0 && t.held_size_ != 0) s = t.string_so_far(s);
                if (t.sink_ == nullptr && s.size() != 5 && s.size() != 8) continue;
                const name found = classify(s);
                if (found == name::none) continue;
                const std::uint64_t outside = ~inside & bits_below(end);
                const std::int32_t depth =
                    t.depth_ + Machine::count(b.open & outside) - Machine::count(b.close & outside);
                if (!t.wanted(found, depth)) continue;
                // What can be seen to be null or of another kind is passed over without leaving this loop.
                const std::string_view next = bytes.substr(at + end + 1, 2);
                if (next.size() == 2 && next[0] == ':' && !blank(next[1]) && next[1] != first_byte(found)) continue;
                t.name_ = found;
                t.depth_ = depth;
                t.held_size_ = 0;
                t.in_string_ = t.escape_ = false;
                t.state_ = state::colon;
                return at + end + 1;
            }
            t.depth_ += Machine::count(b.open & ~inside) - Machine::count(b.close & ~inside);
            t.in_string_ = (inside >> (n - 1) & 1) != 0;
            if (b.quote != 0) {
                t.held_size_ = 0;
                begun = at + static_cast<unsigned>(std::bit_width(b.quote));
            }
            at += n;
        }
        if (t.in_string_) t.hold(bytes.substr(begun));
        return at;
    }

    // Keeps the usage object until its last brace; returns where it stopped.
    template <class Machine>
    [[gnu::always_inline]] static std::size_t usage(usage_tap& t, std::string_view bytes, std::size_t at) noexcept {
        using namespace json_blocks;
        while (at < bytes.size()) {
            const std::size_t n = std::min(block_bytes, bytes.size() - at);
            block b = load<Machine>(bytes.data() + at, n);
            drop_escaped(b, n, t.escape_);
            const std::uint64_t inside = inside_strings<Machine>(b.quote, t.in_string_);
            for (auto brackets = (b.open | b.close) & ~inside; brackets != 0; brackets &= brackets - 1) {
                const auto here = static_cast<unsigned>(std::countr_zero(brackets));
                t.usage_depth_ += (b.open >> here & 1) != 0 ? 1 : -1;
                if (t.usage_depth_ > 0) continue;
                t.keep_usage(bytes.substr(at, here + 1));
                if (t.growing_ <= capacity) {
                    t.which_ ^= 1U;
                    t.size_ = t.growing_;
                }
                t.in_string_ = t.escape_ = false;
                t.state_ = state::search;
                return at + here + 1;
            }
            t.keep_usage(bytes.substr(at, n));
            t.in_string_ = (inside >> (n - 1) & 1) != 0;
            at += n;
        }
        return at;
    }

#if defined(SPILLWAY_WIDE)
    SPILLWAY_WIDE static std::size_t search_wide(usage_tap& t, std::string_view bytes, std::size_t at) noexcept {
        return search<json_blocks::wide>(t, bytes, at);
    }
    SPILLWAY_WIDE static std::size_t usage_wide(usage_tap& t, std::string_view bytes, std::size_t at) noexcept {
        return usage<json_blocks::wide>(t, bytes, at);
    }
#endif
};

std::size_t usage_tap::search(std::string_view bytes, std::size_t at) noexcept {
#if defined(SPILLWAY_WIDE)
    if (json_blocks::has_wide) return scan::search_wide(*this, bytes, at);
#endif
    return scan::search<json_blocks::base>(*this, bytes, at);
}

std::size_t usage_tap::in_usage(std::string_view bytes, std::size_t at) noexcept {
#if defined(SPILLWAY_WIDE)
    if (json_blocks::has_wide) return scan::usage_wide(*this, bytes, at);
#endif
    return scan::usage<json_blocks::base>(*this, bytes, at);
}

// What does not fit any more is counted only: it is not kept in the end.
void usage_tap::keep_usage(std::string_view part) noexcept {
    if (growing_ < capacity)
        std::memcpy(kept_[which_ ^ 1U].data() + growing_, part.data(), std::min(part.size(), capacity - growing_));
    growing_ += part.size();
}

// A string of which parts came in earlier slices; what is too long for any name becomes empty.
std::string_view usage_tap::string_so_far(std::string_view more) noexcept {
    hold(more);
    return held_size_ <= model_bytes ? std::string_view(held_.data(), held_size_) : std::string_view{};
}

void usage_tap::hold(std::string_view part) noexcept {
    if (held_size_ + part.size() > model_bytes) {
        held_size_ = model_bytes + 1;
        return;
    }
    std::memcpy(held_.data() + held_size_, part.data(), part.size());
    held_size_ = static_cast<std::uint8_t>(held_size_ + part.size());
}

// Between a name and its value. What does not fit is left for the search.
std::size_t usage_tap::before_value(std::string_view bytes, std::size_t at) noexcept {
    for (; at < bytes.size(); ++at) {
        const char c = bytes[at];
        if (blank(c)) continue;
        if (state_ == state::colon && c == ':') {
            state_ = state::value;
            continue;
        }
        if (state_ == state::value && c == first_byte(name_)) return at + (begin_value() ? 1 : 0);
        state_ = state::search;
        return at;
    }
    return at;
}

// Whether the value's first byte is used up.
bool usage_tap::begin_value() noexcept {
    switch (name_) {
        case name::usage:
            growing_ = 0;
            usage_depth_ = 0;
            state_ = state::usage;
            return false;
        case name::response:
            response_ = true;
            state_ = state::search;
            return false;
        case name::model:
        case name::type: state_ = state::keep; return true;
        default: state_ = state::text; return true;
    }
}

std::size_t usage_tap::in_string(std::string_view bytes, std::size_t at) noexcept {
    const char* const begin = bytes.data() + at;
    const char* const end = bytes.data() + bytes.size();
    const char* p = begin;
    bool closed = false;
    while (p != end) {
        if (escape_) {
            escape_ = false;
            ++p;
            continue;
        }
        p = bytes::find(p, end, quote_or_backslash{});
        if (p == end) break;
        closed = *p == '"';
        if (closed) break;
        escape_ = true;
        ++p;
    }
    const std::string_view part(begin, static_cast<std::size_t>(p - begin));
    if (state_ == state::text) take_text(part);
    else hold(part);
    if (!closed) return bytes.size();
    if (state_ == state::keep) end_of_kept();
    state_ = state::search;
    return at + part.size() + 1;
}

void usage_tap::take_text(std::string_view part) noexcept {
    text_bytes_ += part.size();
    if (sink_ == nullptr || sink_->size() >= limit_) return;
    try {
        sink_->append(part.substr(0, limit_ - sink_->size()));
    } catch (const std::bad_alloc&) {
        sink_ = nullptr;  // an estimate is not worth an answer
    }
}

void usage_tap::end_of_kept() noexcept {
    const std::size_t n = held_size_;
    held_size_ = 0;
    if (n == 0 || n > model_bytes) return;
    const std::string_view all(held_.data(), n);
    if (name_ == name::model) {
        std::memcpy(model_.data(), all.data(), n);
        model_size_ = static_cast<std::uint8_t>(n);
    } else if (text_ == text_of::plain && all.find('.') != std::string_view::npos) {
        event_name(all);  // types of whole events have a dot; those of content parts have none
    }
}

}  // namespace spillway::http
