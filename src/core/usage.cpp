#include <spillway/core/usage.hpp>

#include <algorithm>
#include <charconv>

namespace spillway::core {
namespace {

// Which object a member stands in.
enum class part : std::uint8_t { whole, prompt, completion, other };

struct found_counts {
    std::optional<std::uint64_t> prompt, completion, total;
    std::uint64_t cached{0}, reasoning{0}, audio_prompt{0}, audio_completion{0};
};

// One pass, without recursion: members of the object and of its two kinds of details count, the rest is passed over.
class usage_reader {
public:
    explicit usage_reader(std::string_view text) noexcept : p_(text.data()), end_(p_ + text.size()) {}

    // False: this is no whole object.
    bool read(found_counts& out) noexcept {
        skip_blanks();
        if (!take('{')) return false;
        int depth = 1;
        part section = part::other;  // that a depth of two belongs to
        while (depth > 0) {
            skip_blanks();
            if (p_ == end_) return false;
            const char c = *p_;
            if (c == '"') {
                if (!member_or_string(out, section, depth)) return false;
                continue;
            }
            ++p_;
            if (c == '{' || c == '[') {
                if (++depth == 2) section = part::other;
            } else if (c == '}' || c == ']') {
                --depth;
            }
        }
        skip_blanks();
        return p_ == end_;
    }

private:
    bool member_or_string(found_counts& out, part& section, int& depth) noexcept {
        std::string_view name;
        if (!string(name)) return false;
        skip_blanks();
        if (!take(':')) return true;
        skip_blanks();
        if (p_ == end_) return false;
        if (*p_ == '{' && depth == 1) {
            ++p_;
            ++depth;
            section = part_named(name);
            return true;
        }
        const part here = depth == 1 ? part::whole : depth == 2 ? section : part::other;
        if (here == part::other || *p_ < '0' || *p_ > '9') return true;
        if (const auto n = number()) assign(out, here, name, *n);
        return true;
    }

    static part part_named(std::string_view name) noexcept {
        // Transcription and realtime spell it in the singular.
        if (name == "prompt_tokens_details" || name == "input_tokens_details" || name == "input_token_details")
            return part::prompt;
        if (name == "completion_tokens_details" || name == "output_tokens_details" || name == "output_token_details")
            return part::completion;
        return part::other;
    }

    static void assign(found_counts& out, part here, std::string_view name, std::uint64_t n) noexcept {
        if (here == part::whole) {
            if (name == "prompt_tokens" || name == "input_tokens") out.prompt = n;
            else if (name == "completion_tokens" || name == "output_tokens") out.completion = n;
            else if (name == "total_tokens") out.total = n;
        } else if (here == part::prompt) {
            if (name == "cached_tokens") out.cached = n;
            else if (name == "audio_tokens") out.audio_prompt = n;
        } else {
            if (name == "reasoning_tokens") out.reasoning = n;
            else if (name == "audio_tokens") out.audio_completion = n;
        }
    }

    bool string(std::string_view& out) noexcept {
        const char* const begin = ++p_;
        while (p_ != end_ && *p_ != '"') {
            if (*p_ == '\\' && ++p_ == end_) return false;
            ++p_;
        }
        if (p_ == end_) return false;
        out = {begin, static_cast<std::size_t>(p_ - begin)};
        ++p_;
        return true;
    }

    std::optional<std::uint64_t> number() noexcept {
        std::uint64_t n = 0;
        const auto whole = std::from_chars(p_, end_, n);
        const bool plain = whole.ptr == end_ || (*whole.ptr != '.' && *whole.ptr != 'e' && *whole.ptr != 'E');
        if (plain) {
            p_ = whole.ptr;
            if (whole.ec != std::errc{} || n > most_tokens) return std::nullopt;
            return n;
        }
        double d = 0;
        const auto decimal = std::from_chars(p_, end_, d);
        p_ = decimal.ptr;
        if (decimal.ec != std::errc{} || !(d <= static_cast<double>(most_tokens))) return std::nullopt;
        return static_cast<std::uint64_t>(d);
    }

    bool take(char c) noexcept {
        if (p_ == end_ || *p_ != c) return false;
        ++p_;
        return true;
    }
    void skip_blanks() noexcept {
        while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) ++p_;
    }

    const char* p_;
    const char* end_;
};

constexpr bool is_base64(char c) noexcept {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/' ||
           c == '-' || c == '_' || c == '=';
}

// Behind the last byte of the base64 text that begins at `at`, or behind `most` where it goes on there; PHP escapes
// the slashes in it.
std::size_t base64_end(std::string_view body, std::size_t at, std::size_t most) noexcept {
    while (at < most) {
        if (is_base64(body[at])) ++at;
        else if (body[at] == '\\' && at + 1 < body.size() && body[at + 1] == '/') at += 2;
        else break;
    }
    return at;
}

// Without the blanks at its end.
std::string_view trimmed(std::string_view s) noexcept {
    while (!s.empty() && (s.back() == ' ' || s.back() == '\n' || s.back() == '\r' || s.back() == '\t'))
        s.remove_suffix(1);
    return s;
}

// Whether `before` ends in the name of a member that holds data, and its colon.
bool ends_in_data_member(std::string_view before) noexcept {
    before = trimmed(before);
    if (!before.ends_with(':')) return false;
    before = trimmed(before.substr(0, before.size() - 1));
    for (const std::string_view name : {R"("url")", R"("image_url")", R"("file_url")", R"("file_data")", R"("data")"})
        if (before.ends_with(name)) return true;
    return false;
}

constexpr auto npos = std::string_view::npos;
constexpr std::size_t longest_type = 128;    // of a data URL, before its mark
constexpr std::size_t longest_blanks = 256;  // between a name, its colon and its value

std::size_t behind_blanks(std::string_view body, std::size_t at) noexcept {
    const std::size_t most = std::min(body.size(), at + longest_blanks);
    return std::min(body.substr(0, most).find_first_not_of(" \t\r\n", at), most);
}

// Where the data of `"url": "data:image/png;base64,` begins, whose mark stands at `mark`; else npos.
std::size_t begin_of_url(std::string_view body, std::size_t mark, std::size_t behind_mark) noexcept {
    const std::size_t earliest = mark - std::min(mark, longest_type);
    const std::string_view near = body.substr(earliest, mark - earliest);
    const std::size_t quote = near.rfind('"');
    if (quote == npos || !near.substr(quote + 1).starts_with("data:")) return npos;
    const std::size_t end = earliest + quote, begin = end - std::min(end, longest_blanks);
    return ends_in_data_member(body.substr(begin, end - begin)) ? behind_mark : npos;
}

// Of `"data": "`; else npos.
std::size_t begin_of_member(std::string_view body, std::size_t behind_mark) noexcept {
    std::size_t at = behind_blanks(body, behind_mark);
    if (at == body.size() || body[at] != ':') return npos;
    at = behind_blanks(body, at + 1);
    return at < body.size() && body[at] == '"' ? at + 1 : npos;
}

}  // namespace

std::optional<token_counts> parse_usage(std::string_view usage_object_json) noexcept {
    found_counts f;
    if (!usage_reader(usage_object_json).read(f)) return std::nullopt;
    if (!f.prompt && f.total) f.prompt = *f.total - std::min(*f.total, f.completion.value_or(0));
    if (!f.prompt && !f.completion) return std::nullopt;
    token_counts t;
    t.prompt = f.prompt.value_or(0);
    t.completion = f.completion.value_or(0);
    t.cached = std::min(f.cached, t.prompt);
    t.audio_prompt = std::min(f.audio_prompt, t.prompt);
    t.reasoning = std::min(f.reasoning, t.completion);
    t.audio_completion = std::min(f.audio_completion, t.completion);
    return t;
}

std::size_t prompt_meter::mark::next(std::string_view body, std::size_t from, std::size_t until) noexcept {
    if (at_ != npos && at_ >= from) return at_;
    at_ = npos;
    const std::size_t begin = std::max(from, searched_);
    if (begin >= until) return npos;
    at_ = body.substr(0, std::min(body.size(), until + text_.size() - 1)).find(text_, begin);
    searched_ = at_ == npos ? until : at_ + 1;
    return at_;
}

prompt_meter::prompt_meter(std::string_view body) noexcept : body_(body), bytes_(body.size()) {
    constexpr std::size_t not_worth_it = 4096;
    if (body.size() <= not_worth_it) at_ = body.size();
}

// Each byte belongs to one run of data at most: the search goes on behind the run before.
bool prompt_meter::go_on(std::size_t bytes) noexcept {
    const std::size_t until = at_ + std::min(bytes, body_.size() - at_);
    while (at_ < until) {
        if (run_ == npos && !find_run(until)) break;
        at_ = base64_end(body_, at_, until);
        if (at_ >= until && at_ < body_.size()) break;
        end_run();
    }
    at_ = std::max(at_, until);
    if (at_ < body_.size()) return false;
    if (run_ != npos) end_run();
    return true;
}

// False: none begins before `until`.
bool prompt_meter::find_run(std::size_t until) noexcept {
    for (;;) {
        const std::size_t url = url_.next(body_, at_, until), member = member_.next(body_, at_, until);
        if (url == npos && member == npos) return false;
        const bool is_url = url < member;
        const std::size_t behind = is_url ? url + url_.size() : member + member_.size();
        run_ = is_url ? begin_of_url(body_, url, behind) : begin_of_member(body_, behind);
        at_ = run_ == npos ? behind : run_;
        if (run_ != npos) return true;
    }
}

void prompt_meter::end_run() noexcept {
    constexpr std::size_t one_costs = 765 * 4;
    const std::size_t size = at_ - run_;
    // Data fills its string.
    if (at_ >= body_.size() || body_[at_] == '"') bytes_ -= size - std::min(size, one_costs);
    run_ = npos;
}

std::uint64_t prompt_bytes(std::string_view body) noexcept {
    prompt_meter m(body);
    m.go_on(body.size());
    return m.bytes();
}

}  // namespace spillway::core
