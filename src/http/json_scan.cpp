#include <spillway/http/json_scan.hpp>

#include <bitset>

#include <spillway/base/text.hpp>

#include "bytes.hpp"

namespace spillway::http {

std::string_view describe(json_error e) noexcept {
    switch (e) {
        case json_error::none: return "It is well formed.";
        case json_error::empty: return "It is empty.";
        case json_error::byte_order_mark: return "It begins with a byte order mark; send UTF-8 without one.";
        case json_error::not_an_object: return "It is no JSON object.";
        case json_error::syntax: return "It is not well-formed JSON.";
        case json_error::unterminated: return "It ends too early.";
        case json_error::bad_escape: return "A string holds an invalid escape.";
        case json_error::control_character: return "A string holds a control character that is not escaped.";
        case json_error::too_deep: return "It is nested too deeply.";
        case json_error::trailing: return "Something follows the object.";
        case json_error::duplicate: return "A member that decides something occurs twice.";
    }
    return "";
}

namespace {

constexpr std::uint64_t length_bit(std::size_t n) noexcept { return std::uint64_t{1} << (n & 63); }

}  // namespace

std::size_t json_query::want(std::string_view name) noexcept {
    if (wanted_count_ == max_wanted) return static_cast<std::size_t>(-1);
    wanted_[wanted_count_].name = name;
    wanted_lengths_ |= length_bit(name.size());
    return wanted_count_++;
}

std::size_t json_query::watch(std::string_view name) noexcept {
    if (watched_count_ == max_watched) return static_cast<std::size_t>(-1);
    watched_[watched_count_].name = name;
    watched_lengths_ |= length_bit(name.size());
    return watched_count_++;
}

const json_member* json_query::find(std::string_view name) const noexcept {
    for (std::size_t i = 0; i < wanted_count_; ++i)
        if (wanted_[i].name == name) return &wanted_[i];
    return nullptr;
}

// Iterative, so that no nesting exhausts the stack.
class json_scanner {
public:
    json_scanner(std::string_view body, json_query& q) noexcept
        : begin_(body.data()), p_(begin_), end_(begin_ + body.size()), q_(q) {}

    json_error run() noexcept {
        const json_error e = scan();
        q_.error_ = static_cast<std::size_t>(p_ - begin_);
        return e;
    }

private:
    static constexpr std::size_t nobody = static_cast<std::size_t>(-1);

    json_error scan() noexcept {
        if (std::string_view(p_, static_cast<std::size_t>(end_ - p_)).substr(0, 3) == "\xEF\xBB\xBF")
            return json_error::byte_order_mark;
        skip_blanks();
        if (p_ == end_) return json_error::empty;
        if (*p_ != '{') return json_error::not_an_object;
        q_.open_ = offset(p_);
        if (const auto e = scan_object(); e != json_error::none) return e;
        skip_blanks();
        return p_ == end_ ? json_error::none : json_error::trailing;
    }

    // From the outermost '{' to its '}'.
    json_error scan_object() noexcept {
        json_error e = open_container(true);
        while (e == json_error::none && depth_ > 0) e = step();
        return e;
    }

    // One member or element, or the end of a container. p_ stands where a member or element may begin.
    json_error step() noexcept {
        skip_blanks();
        if (p_ == end_) return json_error::unterminated;
        const bool in_object = is_object_[depth_ - 1];
        if (*p_ == (in_object ? '}' : ']')) {
            if (after_comma_) return json_error::syntax;
            return close_container();
        }
        after_comma_ = false;
        if (in_object) {
            if (const auto e = scan_name(); e != json_error::none) return e;
        } else {
            member_ = watch_ = nobody;
        }
        return scan_value();
    }

    json_error scan_name() noexcept {
        if (*p_ != '"') return json_error::syntax;
        const char* start = p_;
        bool escaped = false;
        if (const auto e = scan_string(escaped); e != json_error::none) return e;
        std::string_view name(start + 1, static_cast<std::size_t>(p_ - start - 2));
        std::array<char, 256> memory;
        if (escaped) {
            const std::string_view raw(start, static_cast<std::size_t>(p_ - start));
            const auto decoded = raw.size() <= memory.size() ? decode_json_string(raw, memory) : std::nullopt;
            name = decoded.value_or(std::string_view{});
        }
        if (depth_ == 1) ++q_.members_;
        if (const auto e = identify(name); e != json_error::none) {
            p_ = start;
            return e;
        }
        skip_blanks();
        if (p_ == end_) return json_error::unterminated;
        if (*p_ != ':') return json_error::syntax;
        ++p_;
        skip_blanks();
        return p_ == end_ ? json_error::unterminated : json_error::none;
    }

    json_error identify(std::string_view name) noexcept {
        member_ = watch_ = nobody;
        const auto bit = length_bit(name.size());
        if (depth_ == 1 && (q_.wanted_lengths_ & bit) != 0)
            for (std::size_t i = 0; i < q_.wanted_count_; ++i) {
                auto& m = q_.wanted_[i];
                if (m.name == name) {
                    if (m.present()) return json_error::duplicate;
                    member_ = i;
                } else if (text::iequals(m.name, name)) {
                    m.lookalike = true;
                }
            }
        if ((q_.watched_lengths_ & bit) != 0)
            for (std::size_t i = 0; i < q_.watched_count_; ++i)
                if (q_.watched_[i].name == name) watch_ = i;
        return json_error::none;
    }

    json_error scan_value() noexcept {
        const char* start = p_;
        json_kind kind = json_kind::null;
        json_error e = json_error::none;
        bool escaped = false;
        switch (*p_) {
            case '{':
            case '[':
                kind = *p_ == '{' ? json_kind::object : json_kind::array;
                note_begin(start, kind);
                return open_container(kind == json_kind::object);
            case '"':
                kind = json_kind::string;
                e = scan_string(escaped);
                break;
            case 't':
                kind = json_kind::true_value;
                e = word("true");
                break;
            case 'f':
                kind = json_kind::false_value;
                e = word("false");
                break;
            case 'n': e = word("null"); break;
            default:
                kind = json_kind::number;
                e = scan_number();
                break;
        }
        if (e != json_error::none) return e;
        note_begin(start, kind);
        return end_of_value();
    }

    // After a value: a comma, or the end of the container comes next.
    json_error end_of_value() noexcept {
        note_end();
        skip_blanks();
        if (p_ == end_) return json_error::unterminated;
        if (*p_ == ',') {
            ++p_;
            after_comma_ = true;
            return json_error::none;
        }
        return *p_ == (is_object_[depth_ - 1] ? '}' : ']') ? json_error::none : json_error::syntax;
    }

    json_error open_container(bool object) noexcept {
        if (depth_ == json_max_depth) return json_error::too_deep;
        is_object_[depth_++] = object;
        after_comma_ = false;
        ++p_;
        return json_error::none;
    }

    json_error close_container() noexcept {
        --depth_;
        if (depth_ == 0) {
            q_.close_ = offset(p_);
            ++p_;
            return json_error::none;
        }
        ++p_;
        return end_of_value();
    }

    void note_begin(const char* start, json_kind kind) noexcept {
        if (member_ != nobody) {
            auto& m = q_.wanted_[member_];
            m.kind = kind;
            m.offset = offset(start);
            open_member_ = member_;
        }
        if (watch_ != nobody) {
            auto& w = q_.watched_[watch_];
            ++w.count;
            if (kind != json_kind::null) ++w.non_null;
            if (q_.hits_ < q_.memory_.size())
                q_.memory_[q_.hits_++] = {
                    static_cast<std::uint8_t>(watch_), kind, static_cast<std::uint16_t>(depth_), offset(start), {}};
            else q_.overflowed_ = q_.overflowed_ || !q_.memory_.empty();
        }
        member_ = watch_ = nobody;
    }

    // The value that ends at p_ is a member or element of the container at depth_.
    void note_end() noexcept {
        const auto text_from = [&](std::size_t at) {
            return std::string_view(begin_ + at, static_cast<std::size_t>(p_ - begin_) - at);
        };
        if (depth_ == 1 && open_member_ != nobody) {
            auto& m = q_.wanted_[open_member_];
            m.raw = text_from(m.offset);
            open_member_ = nobody;
        }
        // Hits that are still open lie inside each other, so only the last one of this depth can end here.
        for (std::size_t i = q_.hits_; i-- > 0;) {
            auto& h = q_.memory_[i];
            if (!h.raw.empty()) continue;
            if (h.depth == depth_) h.raw = text_from(h.offset);
            break;
        }
    }

    json_error scan_string(bool& escaped) noexcept {
        ++p_;
        for (;;) {
            p_ = bytes::find(p_, end_, bytes::string_special{});
            if (p_ == end_) return json_error::unterminated;
            if (*p_ == '"') {
                ++p_;
                return json_error::none;
            }
            if (*p_ != '\\') return json_error::control_character;
            escaped = true;
            if (end_ - p_ < 2) return json_error::unterminated;
            if (p_[1] == 'u') {
                if (end_ - p_ < 6) return json_error::unterminated;
                for (int i = 2; i < 6; ++i)
                    if (bytes::hex_value(p_[i]) < 0) return json_error::bad_escape;
                p_ += 6;
            } else if (std::string_view("\"\\/bfnrt").find(p_[1]) != std::string_view::npos) {
                p_ += 2;
            } else {
                return json_error::bad_escape;
            }
        }
    }

    json_error word(std::string_view w) noexcept {
        for (const char c : w) {
            if (p_ == end_) return json_error::unterminated;
            if (*p_ != c) return json_error::syntax;
            ++p_;
        }
        return json_error::none;
    }

    bool digit() const noexcept { return p_ != end_ && *p_ >= '0' && *p_ <= '9'; }
    bool digits() noexcept {
        if (!digit()) return false;
        while (digit()) ++p_;
        return true;
    }
    json_error bad_number() const noexcept { return p_ == end_ ? json_error::unterminated : json_error::syntax; }

    json_error scan_number() noexcept {
        if (*p_ == '-') ++p_;
        if (!digit()) return bad_number();
        if (*p_ == '0') ++p_;
        else digits();
        if (p_ != end_ && *p_ == '.') {
            ++p_;
            if (!digits()) return bad_number();
        }
        if (p_ != end_ && (*p_ == 'e' || *p_ == 'E')) {
            ++p_;
            if (p_ != end_ && (*p_ == '+' || *p_ == '-')) ++p_;
            if (!digits()) return bad_number();
        }
        return json_error::none;
    }

    void skip_blanks() noexcept {
        while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) ++p_;
    }
    std::size_t offset(const char* at) const noexcept { return static_cast<std::size_t>(at - begin_); }

    const char* begin_;
    const char* p_;
    const char* end_;
    json_query& q_;
    std::bitset<json_max_depth> is_object_;
    std::size_t depth_{0};
    std::size_t member_{nobody}, watch_{nobody}, open_member_{nobody};
    bool after_comma_{false};
};

json_error scan_json_object(std::string_view body, json_query& query) noexcept {
    return json_scanner(body, query).run();
}

}  // namespace spillway::http
