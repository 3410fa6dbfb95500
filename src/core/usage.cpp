#include <spillway/core/usage.hpp>

#include <algorithm>
#include <charconv>

namespace spillway::core {
namespace {

constexpr std::uint64_t most_tokens = 1'000'000'000'000'000;

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
    constexpr std::uint64_t one_costs = 765 * 4;
    if (body.size() <= not_worth_it) return body.size();
    std::uint64_t bytes = body.size();
    // Data URLs of pictures, and the data of sounds: long texts without a blank or an escape.
    for (const std::string_view mark : {std::string_view(";base64,"), std::string_view("\"data\":\"")})
        for (std::size_t at = body.find(mark); at != std::string_view::npos; at = body.find(mark, at)) {
            at += mark.size();
            const auto end = std::min(body.find('"', at), body.size());
            if (end - at > one_costs) bytes -= end - at - one_costs;
            at = end;
        }
    return bytes;
}

}  // namespace spillway::core
