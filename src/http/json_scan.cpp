#include <spillway/http/json_scan.hpp>

#include <array>
#include <bitset>

#include <spillway/base/text.hpp>

#include "bytes.hpp"
#include "name_folding.hpp"

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
        case json_error::bad_name: return "The name of a member holds half a surrogate pair.";
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
        go_on(static_cast<std::size_t>(-1));
        return result_;
    }

    bool go_on(std::size_t bytes) noexcept {
        const char* const from = p_;
        if (p_ == begin_) result_ = begin();
        while (result_ == json_error::none && depth_ > 0) {
            if (static_cast<std::size_t>(p_ - from) >= bytes) return false;
            result_ = step();
        }
        if (result_ == json_error::none) {
            skip_blanks();
            if (p_ != end_) result_ = json_error::trailing;
        }
        q_.error_ = offset(p_);
        return true;
    }

    json_error result() const noexcept { return result_; }

private:
    static constexpr std::size_t nobody = static_cast<std::size_t>(-1);
    static constexpr std::uint8_t nowhere = json_places::nowhere;

    // Up to the first member.
    json_error begin() noexcept {
        if (std::string_view(p_, static_cast<std::size_t>(end_ - p_)).substr(0, 3) == "\xEF\xBB\xBF")
            return json_error::byte_order_mark;
        skip_blanks();
        if (p_ == end_) return json_error::empty;
        if (*p_ != '{') return json_error::not_an_object;
        q_.open_ = offset(p_);
        place_ = q_.places_ != nullptr ? std::uint8_t{0} : nowhere;
        return open_container(true);
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
            member_ = nobody;
            const auto here = places_[depth_ - 1];
            place_ = here == nowhere ? nowhere : q_.places_->element(here);
        }
        return scan_value();
    }

    json_error scan_name() noexcept {
        if (*p_ != '"') return json_error::syntax;
        const char* start = p_;
        bool escaped = false;
        if (const auto e = scan_string(escaped); e != json_error::none) return e;
        name_ = {start + 1, static_cast<std::size_t>(p_ - start - 2)};
        if (escaped) {
            const std::string_view raw(start, static_cast<std::size_t>(p_ - start));
            const auto decoded = raw.size() <= memory_.size() ? decode_json_string(raw, memory_) : std::nullopt;
            // Some readers drop what cannot be decoded, and then see another name.
            if (!decoded && depth_ == 1 && raw.size() <= memory_.size()) {
                p_ = start;
                return json_error::bad_name;
            }
            if (decoded) name_ = *decoded;
        }
        if (depth_ == 1) ++q_.members_;
        if (const auto e = identify(); e != json_error::none) {
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

    json_error identify() noexcept {
        member_ = nobody;
        const auto here = places_[depth_ - 1];
        ++member_counts_[depth_ - 1];
        place_ = here == nowhere ? nowhere : q_.places_->member(here, name_);
        return depth_ == 1 ? identify_outermost() : json_error::none;
    }

    json_error identify_outermost() noexcept {
        if ((q_.wanted_lengths_ & length_bit(name_.size())) != 0)
            for (std::size_t i = 0; i < q_.wanted_count_; ++i) {
                auto& m = q_.wanted_[i];
                if (m.name == name_) {
                    if (m.present()) return json_error::duplicate;
                    member_ = i;
                    return json_error::none;
                }
                if (text::iequals(m.name, name_)) m.lookalike = true;
            }
        if (!is_plain_name(name_)) look_alike();
        return json_error::none;
    }

    void look_alike() noexcept {
        std::array<char, longest_folded> memory;
        const auto folded = fold_name(name_, memory);
        if (folded.empty()) return;
        for (std::size_t i = 0; i < q_.wanted_count_; ++i)
            if (is_folded_form(folded, q_.wanted_[i].name)) q_.wanted_[i].lookalike = true;
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
                if (place_ != nowhere) q_.sink_->on_value(place_, name_, kind, {});
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
        if (place_ != nowhere) q_.sink_->on_value(place_, name_, kind, {start, static_cast<std::size_t>(p_ - start)});
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
        places_[depth_] = place_;
        member_counts_[depth_] = 0;
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
        if (const auto place = places_[depth_]; place != nowhere) q_.sink_->on_close(place, member_counts_[depth_]);
        return end_of_value();
    }

    void note_begin(const char* start, json_kind kind) noexcept {
        if (member_ != nobody) {
            auto& m = q_.wanted_[member_];
            m.kind = kind;
            m.offset = offset(start);
            open_member_ = member_;
        }
        member_ = nobody;
    }

    // The value that ends at p_ is a member or element of the container at depth_.
    void note_end() noexcept {
        if (depth_ != 1 || open_member_ == nobody) return;
        auto& m = q_.wanted_[open_member_];
        m.raw = {begin_ + m.offset, static_cast<std::size_t>(p_ - begin_) - m.offset};
        open_member_ = nobody;
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
                    if (text::hex_value(p_[i]) < 0) return json_error::bad_escape;
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
    std::size_t member_{nobody}, open_member_{nobody};
    bool after_comma_{false};
    json_error result_{json_error::none};
    std::uint8_t place_{nowhere};  // of the value that comes next
    std::string_view name_;        // the last one that was read, decoded
    // Of the open containers; no more than depth_ of each is ever read.
    std::array<std::uint8_t, json_max_depth> places_;
    std::array<std::uint32_t, json_max_depth> member_counts_;
    std::array<char, 256> memory_;  // of a name with escapes
};

json_error scan_json_object(std::string_view body, json_query& query) noexcept {
    return json_scanner(body, query).run();
}

json_slices::json_slices(std::string_view body, json_query& query)
    : scanner_(std::make_unique<json_scanner>(body, query)) {}
json_slices::~json_slices() = default;
bool json_slices::go_on(std::size_t bytes) noexcept { return scanner_->go_on(bytes); }
json_error json_slices::result() const noexcept { return scanner_->result(); }

}  // namespace spillway::http
