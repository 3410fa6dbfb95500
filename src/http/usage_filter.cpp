#include <spillway/http/usage_filter.hpp>

#include <algorithm>
#include <vector>

#include <spillway/http/json_scan.hpp>

#include "bytes.hpp"
#include "json_blocks.hpp"

namespace spillway::http {
namespace {

constexpr std::size_t nowhere = std::string_view::npos;
constexpr std::size_t kept_capacity = 4096;  // longer memory is given back after use
constexpr std::string_view utf8_mark = "\xEF\xBB\xBF";
constexpr std::string_view usage_name = "\"usage\"";

// A line end is one where an event writes its data in several lines.
constexpr bool blank_between_fields(char c) noexcept { return c == ' ' || c == '\t' || c == '\n'; }

std::size_t skip_blanks(std::string_view s, std::size_t at) noexcept {
    while (at < s.size() && blank_between_fields(s[at])) ++at;
    return at;
}

// Where the value of the outermost object's first `usage` begins, and the quote of its name; nowhere: there is none.
struct member_place {
    std::size_t name{nowhere}, value{nowhere};
};

template <class Machine>
[[gnu::always_inline]] inline member_place find_usage_by(std::string_view json) noexcept {
    using namespace json_blocks;
    std::int32_t depth = 0;
    std::size_t opened = 0;  // the last quote of earlier blocks
    bool in_string = false, escape = false;
    for (std::size_t at = 0; at < json.size(); at += block_bytes) {
        const std::size_t n = std::min(block_bytes, json.size() - at);
        block b = load<Machine>(json.data() + at, n);
        drop_escaped(b, n, escape);
        if (in_string && b.quote == 0) continue;
        const std::uint64_t inside = inside_strings<Machine>(b.quote, in_string);
        std::uint64_t ends = b.quote & ~inside & (b.after_name >> 1 | std::uint64_t{1} << (n - 1));
        for (; ends != 0; ends &= ends - 1) {
            const auto end = static_cast<unsigned>(std::countr_zero(ends));
            const std::size_t behind = at + end + 1;
            const std::uint64_t before = b.quote & bits_below(end);
            const std::size_t from = before == 0 ? opened : at + static_cast<unsigned>(std::bit_width(before)) - 1;
            if (json.substr(from, behind - from) != usage_name) continue;
            const std::uint64_t outside = ~inside & bits_below(end);
            if (depth + Machine::count(b.open & outside) - Machine::count(b.close & outside) != 1) continue;
            const std::size_t colon = skip_blanks(json, behind);
            if (colon < json.size() && json[colon] == ':') return {from, skip_blanks(json, colon + 1)};
        }
        depth += Machine::count(b.open & ~inside) - Machine::count(b.close & ~inside);
        if (b.quote != 0) opened = at + static_cast<unsigned>(std::bit_width(b.quote)) - 1;
        in_string = (inside >> (n - 1) & 1) != 0;
    }
    return {};
}

#if defined(SPILLWAY_WIDE)
SPILLWAY_WIDE member_place find_usage_wide(std::string_view json) noexcept {
    return find_usage_by<json_blocks::wide>(json);
}
#endif

member_place find_usage(std::string_view json) noexcept {
#if defined(SPILLWAY_WIDE)
    if (json_blocks::has_wide) return find_usage_wide(json);
#endif
    return find_usage_by<json_blocks::base>(json);
}

bool is_empty_array(const json_member& m) noexcept {
    return m.kind == json_kind::array && skip_blanks(m.raw, 1) == m.raw.size() - 1;
}

bool says_something(const json_member& m) noexcept {
    return m.present() && m.kind != json_kind::null && !is_empty_array(m);
}

}  // namespace

// The whole event, when it is to go; what is cut otherwise; nothing: from == to.
usage_filter::cut usage_filter::judge(std::string_view event) {
    const std::size_t length = event.ends_with("\r\n") ? event.size() - 1 : event.size();
    if (length > longest_event) return {};
    std::string_view data;
    std::size_t data_lines = 0;
    const char* const end = event.data() + event.size();
    const char* line = event.data();
    if (first_ && event.starts_with(utf8_mark)) line += utf8_mark.size();
    while (line != end) {
        const char* const stop = bytes::find(line, end, bytes::line_end{});
        const std::string_view text(line, static_cast<std::size_t>(stop - line));
        if (text.starts_with("data") && (text.size() == 4 || text[4] == ':')) {
            ++data_lines;
            data = text.substr(std::min<std::size_t>(text.size(), 5));
        }
        // An LF behind a CR makes an empty line here, which does no harm.
        line = stop == end ? end : stop + 1;
    }
    if (data_lines > 1) return judge_lines(event);
    if (data_lines == 0 || data.empty()) return {};
    const std::size_t begin = skip_blanks(data, 0);
    if (begin == data.size() || data[begin] != '{') return {};
    cut c = judge_data(data);
    if (c.from == c.to) return {};
    if (c.to > data.size()) return {0, event.size()};
    const auto offset = static_cast<std::size_t>(data.data() - event.data());
    return {offset + c.from, offset + c.to};
}

// An event of several data lines, which are one text. Azure writes none, so this may cost a copy. What is cut may
// reach over line ends: what is left of the lines is joined.
usage_filter::cut usage_filter::judge_lines(std::string_view event) {
    struct piece {
        std::size_t in_text, in_event;
    };
    std::string text;
    std::vector<piece> pieces;
    for (std::size_t at = first_ && event.starts_with(utf8_mark) ? utf8_mark.size() : 0; at < event.size();) {
        const std::size_t stop = std::min(event.find_first_of("\r\n", at), event.size());
        const std::string_view line = event.substr(at, stop - at);
        if (line.starts_with("data:")) {
            const std::size_t begin = line.size() > 5 && line[5] == ' ' ? 6 : 5;
            if (!pieces.empty()) text += '\n';
            pieces.push_back({text.size(), at + begin});
            text += line.substr(begin);
        }
        at = stop + 1;
    }
    const std::size_t begin = skip_blanks(text, 0);
    if (begin == text.size() || text[begin] != '{') return {};
    const member_place usage = find_usage(text);
    if (usage.value >= text.size() || text[usage.value] != '{') return {};
    const cut c = judge_data(text);
    if (c.from == c.to) return {};
    if (c.to > text.size()) return {0, event.size()};
    const auto place = [&](std::size_t n) {
        auto p = pieces.back();
        for (std::size_t i = pieces.size(); i-- > 0 && p.in_text > n;) p = pieces[i];
        return p.in_event + (n - p.in_text);
    };
    return {place(c.from), place(c.to)};
}

// As above, with an end behind the data for the whole event.
usage_filter::cut usage_filter::judge_data(std::string_view json) noexcept {
    const member_place usage = find_usage(json);
    if (usage.value >= json.size()) return {};
    std::size_t value_end = usage.value;
    if (json[usage.value] == '{') {
        json_query q;
        const auto told = q.want("usage"), choices = q.want("choices"), error = q.want("error"),
                   prompt = q.want("prompt_filter_results"), older = q.want("prompt_annotations");
        if (scan_json_object(json, q) != json_error::none) return {};
        if (q[told].offset != usage.value || !is_empty_array(q[choices])) return {};
        seen_ = true;
        if (!says_something(q[error]) && !says_something(q[prompt]) && !says_something(q[older]))
            return {0, json.size() + 1};
        value_end += q[told].raw.size();
    } else {
        if (json.substr(usage.value, 4) != "null") return {};
        value_end += 4;
    }
    const std::size_t next = skip_blanks(json, value_end);
    if (next == json.size()) return {};
    if (json[next] == ',') return {usage.name, skip_blanks(json, next + 1)};
    if (json[next] != '}') return {};
    std::size_t before = usage.name;
    while (before > 0 && blank_between_fields(json[before - 1])) --before;
    if (before > 0 && json[before - 1] == ',') return {before - 1, value_end};
    return {usage.name, value_end};
}

// Behind the empty line that ends the running event; nowhere: it does not end in this slice.
std::size_t usage_filter::event_end(std::string_view s, std::size_t at) noexcept {
    if (after_cr_ && at < s.size()) {
        after_cr_ = false;
        if (s[at] == '\n') ++at;
    }
    while (at < s.size()) {
        const char* const begin = s.data() + at;
        const char* const end = s.data() + s.size();
        const char* const stop = bytes::find(begin, end, bytes::line_end{});
        line_empty_ = line_empty_ && stop == begin;
        if (stop == end) return nowhere;
        at += static_cast<std::size_t>(stop - begin) + 1;
        after_cr_ = *stop == '\r';
        if (after_cr_ && at < s.size()) {
            after_cr_ = false;
            if (s[at] == '\n') ++at;
        }
        if (line_empty_) return at;
        line_empty_ = true;
    }
    return nowhere;
}

void usage_filter::run(std::string_view payload, piece_sink out) {
    std::size_t sent = 0, at = 0;  // what went on; where the running event begins
    if (after_cr_ && !in_event_ && !payload.empty()) {
        after_cr_ = false;
        if (payload.front() == '\n') {
            at = 1;
            if (dropped_) sent = 1;
        }
    }
    while (at < payload.size()) {
        const std::size_t end = event_end(payload, at);
        if (end == nowhere) {
            in_event_ = true;
            if (passing_) break;
            out(payload.substr(sent, at - sent));
            sent = at;
            if (held_.size() + payload.size() - at > longest_event) {
                out(held_);
                held_.clear();
                passing_ = true;
                break;
            }
            held_.append(payload.substr(at));
            return;
        }
        cut c;
        if (!passing_ && held_.empty()) {
            c = judge(payload.substr(at, end - at));
            if (c.from != c.to) {
                out(payload.substr(sent, at + c.from - sent));
                sent = at + c.to;
            }
        } else if (!passing_) {
            out(payload.substr(sent, at - sent));
            held_.append(payload.substr(at, end - at));
            sent = end;
            c = judge(held_);
            const std::string_view all = held_;
            out(all.substr(0, c.from));
            out(all.substr(c.to));
            held_.clear();
            if (held_.capacity() > kept_capacity) held_ = std::string();
        }
        dropped_ = c.from == 0 && c.to != 0;
        in_event_ = passing_ = first_ = false;
        line_empty_ = true;
        at = end;
    }
    out(payload.substr(sent));
}

void usage_filter::flush(piece_sink out) {
    out(held_);
    held_ = std::string();
    in_event_ = passing_ = after_cr_ = false;
    line_empty_ = true;
}

}  // namespace spillway::http
