#include <spillway/http/id_walker.hpp>

#include <algorithm>

#include <spillway/http/json_scan.hpp>

#include "bytes.hpp"

namespace spillway::http {
namespace {

constexpr std::string_view utf8_mark = "\xEF\xBB\xBF", data_field = "data:";

constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
constexpr bool begins_scalar(char c) noexcept {
    return (c >= '0' && c <= '9') || c == '-' || c == 't' || c == 'f' || c == 'n';
}
constexpr bool is_scalar(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' || c == 'E';
}
std::string_view between(const char* from, const char* to) noexcept {
    return {from, static_cast<std::size_t>(to - from)};
}

}  // namespace

struct id_walker::pass {
    const char* sent;  // what lies before has gone on
    const char* end;
    piece_sink out;

    void send_up_to(const char* p) {
        out(between(sent, p));
        sent = p;
    }
};

void id_walker::run(std::string_view bytes, piece_sink out) {
    const char *p = bytes.data(), *const end = p + bytes.size();
    pass s{p, end, out};
    if (form_ == form::json) {
        if (!take_mark(p, end)) state_ = state::broken;
        walk(p, end, s);
    } else {
        while (p != end) {
            if (after_cr_ && *p == '\n') ++p;
            after_cr_ = false;
            const char* const stop = bytes::find(p, end, bytes::line_end{});
            line_part(p, stop, s);
            if (stop == end) break;
            end_line(s);
            after_cr_ = *stop == '\r';
            p = stop + 1;
        }
    }
    s.send_up_to(end);
}

void id_walker::flush(piece_sink out) {
    if (holds()) out({kept_.data(), kept_size_});
    kept_size_ = 0;
    state_ = state::broken;
}

bool id_walker::read_whole(std::string_view body, const id_table& table, whole_sink sink) {
    id_walker w(table, sink);
    const auto nowhere = [](std::string_view) {};
    w.run(body, piece_sink(nowhere));
    if (w.state_ == state::scalar) w.end_value();
    return w.state_ == state::done && !w.too_deep_;
}

// A byte order mark at the very front is passed over. False: the front is a part of one.
bool id_walker::take_mark(const char*& p, const char* end) noexcept {
    while (p != end && mark_ < utf8_mark.size() && *p == utf8_mark[mark_]) ++p, ++mark_;
    if (p == end || mark_ == utf8_mark.size()) return true;
    const bool good = mark_ == 0;
    mark_ = static_cast<std::uint8_t>(utf8_mark.size());
    return good;
}

// No line end is in it.
void id_walker::line_part(const char* p, const char* end, pass& s) {
    if (p == end) return;
    line_empty_ = false;
    if (!take_mark(p, end)) kind_ = line_kind::other;
    if (kind_ == line_kind::unknown && field_ == 0 && between(p, end).starts_with(data_field)) {
        kind_ = line_kind::data;
        p += data_field.size();
    }
    for (; kind_ == line_kind::unknown && p != end; ++p) {
        if (*p != data_field[field_]) kind_ = line_kind::other;
        else if (++field_ == data_field.size()) kind_ = line_kind::data;
    }
    if (kind_ == line_kind::data) walk(p, end, s);
}

void id_walker::end_line(pass& s) {
    mark_ = static_cast<std::uint8_t>(utf8_mark.size());
    if (kind_ == line_kind::data) {
        // The next line of data goes on behind a line end.
        if (state_ == state::text) break_off(s);
        if (state_ == state::scalar) end_value();
    }
    if (line_empty_) {
        state_ = state::value;
        depth_ = objects_ = muted_ = 0;
        over_ = 0;
    }
    kind_ = line_kind::unknown;
    field_ = 0;
    line_empty_ = true;
}

void id_walker::walk(const char* p, const char* end, pass& s) {
    while (p != end) {
        switch (state_) {
            case state::broken: return;
            case state::text: p = use_ == use::head ? head_part(p, end, s) : string_part(p, end, s); break;
            case state::deep: p = deep_part(p, end); break;
            case state::scalar:
                while (p != end && is_scalar(*p)) ++p;
                if (p != end) end_value();
                break;
            case state::first_name:
            case state::name:
                if (*p == '"') {
                    const char* const stop = plain_members(p, end);
                    if (stop != p) {
                        p = stop;
                        break;
                    }
                }
                [[fallthrough]];
            default:
                if (!is_blank(*p)) token(*p, s);
                ++p;
        }
    }
}

// From the quote of a name over members that nobody wants to hear of, as far as they lie in the slice and are written
// plainly: what token() and string_part() would do byte by byte. Gives where they go on.
const char* id_walker::plain_members(const char* p, const char* end) noexcept {
    for (;;) {
        const char* q = bytes::find(p + 1, end, bytes::string_special{});
        if (q == end || *q != '"') return p;
        member_ = static_cast<std::int8_t>(muted_ != 0 ? -1 : table_.find(between(p + 1, q)));
        state_ = state::colon;
        if (++q == end || *q != ':') return q;
        state_ = state::value;
        if (++q != end && *q == ' ') ++q;
        if (q == end) return q;
        if (*q == '"') {
            if (member_ >= 0 && !table_[member_].opaque) return q;
            p = bytes::find(q + 1, end, bytes::string_special{});
            if (p == end || *p != '"') return q;
            ++p;
        } else if (begins_scalar(*q)) {
            for (p = q + 1; p != end && is_scalar(*p);) ++p;
            state_ = state::scalar;
            if (p == end) return p;
        } else {
            return q;
        }
        state_ = state::after;
        if (p == end || *p != ',') return p;
        state_ = state::name;
        if (++p != end && *p == ' ') ++p;
        if (p == end || *p != '"') return p;
    }
}

// Where a string, a scalar, a bracket, a colon or a comma is to stand.
void id_walker::token(char c, pass& s) {
    switch (state_) {
        case state::first_name:
        case state::name:
            if (c == '"') {
                use_ = use::name;
                return begin_string();
            }
            if (c == '}' && state_ == state::first_name) return close(true, s);
            break;
        case state::colon:
            if (c != ':') break;
            state_ = state::value;
            return;
        case state::after:
            if (c == '}' || c == ']') return close(c == '}', s);
            if (c != ',') break;
            state_ = is_object_[depth_ - 1U] ? state::name : state::value;
            return;
        case state::first_value:
            if (c == ']') return close(false, s);
            [[fallthrough]];
        case state::value:
            if (c == '{' || c == '[') return open(c == '{');
            if (begins_scalar(c)) {
                state_ = state::scalar;
                return;
            }
            if (c != '"') break;
            if (const auto at = place(); muted_ != 0 || at.member < 0 || table_[at.member].opaque) use_ = use::skip;
            else use_ = table_[at.member].prefix && whole_.call == nullptr ? use::head : use::value;
            return begin_string();
        default: break;
    }
    break_off(s);
}

// Of the value that comes next.
id_walker::level id_walker::place() const noexcept {
    if (depth_ == 0) return {};
    const auto& around = levels_[depth_ - 1U];
    return is_object_[depth_ - 1U] ? level{member_, around.member} : around;
}

void id_walker::open(bool object) noexcept {
    if (depth_ == deepest) {
        too_deep_ = true;
        over_ = 1;
        state_ = state::deep;
        return;
    }
    const auto at = place();
    levels_[depth_] = at;
    is_object_[depth_++] = object;
    objects_ = static_cast<std::uint8_t>(objects_ + object);
    if (muted_ == 0 && at.member >= 0 && table_[at.member].opaque) muted_ = depth_;
    state_ = object ? state::first_name : state::first_value;
}

void id_walker::close(bool object, pass& s) {
    if (is_object_[depth_ - 1U] != object) return break_off(s);
    if (muted_ == depth_) muted_ = 0;
    --depth_;
    objects_ = static_cast<std::uint8_t>(objects_ - object);
    end_value();
}

void id_walker::break_off(pass& s) {
    if (holds()) {
        s.out({kept_.data(), kept_size_});
        kept_size_ = 0;
    }
    state_ = state::broken;
}

void id_walker::begin_string() noexcept {
    state_ = state::text;
    escaped_ = after_backslash_ = too_long_ = false;
    kept_size_ = 0;
}

const char* id_walker::deep_part(const char* p, const char* end) noexcept {
    for (; p != end; ++p) {
        if (*p == '"') {
            use_ = use::skip;
            begin_string();
            return p + 1;
        }
        over_ += *p == '{' || *p == '[';
        over_ -= *p == '}' || *p == ']';
        if (over_ == 0) {
            end_value();
            return p + 1;
        }
    }
    return p;
}

// Up to the quote, or as many bytes as a head has. What is held belongs between what has gone on and this slice.
const char* id_walker::head_part(const char* p, const char* end, pass& s) {
    const std::size_t room = head_bytes - kept_size_;
    const char* const limit = static_cast<std::size_t>(end - p) > room ? p + room : end;
    const char* const stop = bytes::find(p, limit, bytes::string_special{});
    const auto part = between(p, stop);
    if (stop == limit && part.size() < room) {
        s.send_up_to(p);
        keep(part);
        s.sent = end;
        return end;
    }
    const std::size_t held = kept_size_;
    std::string_view insertion;
    if (stop == limit || *stop == '"') {
        if (held != 0) keep(part);
        const auto at = place();
        insertion = visitor_->on_string(at.member, at.parent, objects_,
                                        held == 0 ? part : std::string_view(kept_.data(), kept_size_));
    }
    s.send_up_to(p);
    s.out(insertion);
    s.out({kept_.data(), held});
    kept_size_ = 0;
    use_ = use::skip;
    return stop;
}

const char* id_walker::string_part(const char* p, const char* end, pass& s) {
    const char* const from = p;
    for (;; ++p) {
        if (after_backslash_) {
            if (p == end) break;
            if (static_cast<unsigned char>(*p) < 0x20) {
                break_off(s);
                return p;
            }
            after_backslash_ = false;
            ++p;
        }
        p = bytes::find(p, end, bytes::string_special{});
        if (p == end || *p == '"') break;
        if (*p != '\\') {
            break_off(s);
            return p;
        }
        escaped_ = after_backslash_ = true;
    }
    const auto part = between(from, p);
    if (p == end) {
        if (use_ != use::skip) keep(part);
        return p;
    }
    if (use_ != use::skip && (kept_size_ != 0 || too_long_)) {
        keep(part);
        end_string({kept_.data(), kept_size_}, p, s);
    } else {
        end_string(part, p, s);
    }
    return p + 1;
}

void id_walker::end_string(std::string_view raw, const char* quote, pass& s) {
    if (over_ != 0) {
        state_ = state::deep;
        return;
    }
    if (use_ == use::name) {
        member_ = static_cast<std::int8_t>(find_name(raw));
        state_ = state::colon;
        return;
    }
    if (use_ == use::value) {
        const auto at = place();
        if (whole_.call != nullptr) {
            whole_.call(whole_.object, at.member, at.parent, objects_, raw, escaped_);
        } else if (!escaped_ && !too_long_ && raw.size() <= longest_value) {
            const auto insertion = visitor_->on_string(at.member, at.parent, objects_, raw);
            if (!insertion.empty()) {
                s.send_up_to(quote);
                s.out(insertion);
            }
        }
    }
    end_value();
}

void id_walker::keep(std::string_view part) noexcept {
    if (part.size() > kept_.size() - kept_size_) {
        too_long_ = true;
        return;
    }
    std::copy(part.begin(), part.end(), kept_.begin() + kept_size_);
    kept_size_ += part.size();
}

int id_walker::find_name(std::string_view raw) const noexcept {
    if (too_long_ || muted_ != 0) return -1;
    if (!escaped_) return table_.find(raw);
    std::array<char, longest_value + 2> quoted;
    std::array<char, longest_value> memory;
    if (raw.size() > longest_value) return -1;
    quoted[0] = '"';
    std::copy(raw.begin(), raw.end(), quoted.begin() + 1);
    quoted[raw.size() + 1] = '"';
    const auto name = decode_json_string({quoted.data(), raw.size() + 2}, memory);
    return name ? table_.find(*name) : -1;
}

}  // namespace spillway::http
