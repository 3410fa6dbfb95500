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

// Behind the last byte of the base64 text that begins at `at`; PHP escapes the slashes in it.
std::size_t base64_end(std::string_view body, std::size_t at) noexcept {
    while (at < body.size()) {
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

// Where a mark stands next.
class mark {
public:
    mark(std::string_view text, std::string_view body) noexcept : text_(text), at_(body.find(text)) {}
    std::size_t at() const noexcept { return at_; }
    std::size_t end() const noexcept { return at_ + text_.size(); }
    void skip(std::string_view body, std::size_t to) noexcept {
        if (at_ < to) at_ = body.find(text_, to);
    }

private:
    std::string_view text_;
    std::size_t at_;
};

// Finds the runs of base64 that are data, from front to back. Each byte belongs to one run at most: the search goes
// on behind the run before.
class data_runs {
public:
    explicit data_runs(std::string_view body) noexcept
        : body_(body), url_(";base64,", body), member_(R"("data")", body) {}

    // Length of the next one.
    std::optional<std::size_t> next() noexcept {
        while (url_.at() != npos || member_.at() != npos) {
            const bool is_url = url_.at() < member_.at();
            const std::size_t from = is_url ? begin_of_url() : begin_of_member();
            auto& here = is_url ? url_ : member_;
            here.skip(body_, here.end());
            if (from == npos) continue;
            const std::size_t end = base64_end(body_, from);
            // Data fills its string.
            if (end < body_.size() && body_[end] != '"') continue;
            url_.skip(body_, end);
            member_.skip(body_, end);
            return end - from;
        }
        return std::nullopt;
    }

private:
    static constexpr std::size_t longest_type = 128;  // of a data URL, before its mark

    // `"url": "data:image/png;base64,` and the like; else npos.
    std::size_t begin_of_url() const noexcept {
        const std::size_t earliest = url_.at() - std::min(url_.at(), longest_type);
        const std::string_view near = body_.substr(earliest, url_.at() - earliest);
        const std::size_t quote = near.rfind('"');
        if (quote == npos || !near.substr(quote + 1).starts_with("data:")) return npos;
        return ends_in_data_member(body_.substr(0, earliest + quote)) ? url_.end() : npos;
    }

    // `"data": "`; else npos.
    std::size_t begin_of_member() const noexcept {
        std::size_t at = behind_blanks(member_.end());
        if (at == body_.size() || body_[at] != ':') return npos;
        at = behind_blanks(at + 1);
        return at < body_.size() && body_[at] == '"' ? at + 1 : npos;
    }
    std::size_t behind_blanks(std::size_t at) const noexcept {
        return std::min(body_.find_first_not_of(" \t\r\n", at), body_.size());
    }

    std::string_view body_;
    mark url_, member_;
};

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

std::uint64_t prompt_bytes(std::string_view body) noexcept {
    constexpr std::size_t not_worth_it = 4096;
    constexpr std::size_t one_costs = 765 * 4;
    std::uint64_t bytes = body.size();
    if (bytes <= not_worth_it) return bytes;
    data_runs runs(body);
    while (const auto run = runs.next()) bytes -= *run - std::min(*run, one_costs);
    return bytes;
}

}  // namespace spillway::core
