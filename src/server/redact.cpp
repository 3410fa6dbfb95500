#include <spillway/server/redact.hpp>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <time.h>

#include <algorithm>

#include <spillway/base/utf8.hpp>

namespace spillway::server {
namespace {

constexpr std::string_view redacted_text = "[redacted]";

// Of one call of the library: how many places it looks at, what it may try at each, how deep. Together with the time
// that is looked at between two calls, hostile text costs a bounded time whatever the pattern is. A call may search
// the whole rest for a first character, so a long text is looked at in a thousand calls and no more.
constexpr std::size_t fewest_places = 64, most_calls = 1'024;
constexpr std::size_t fewest_steps = 20'000, most_steps = 200'000, steps_of_a_call = 16'000'000;
constexpr std::uint32_t most_depth = 20'000, most_heap_kib = 4'096;
constexpr std::size_t longest_pattern = 4'096;

struct free_match_data {
    void operator()(pcre2_match_data* p) const noexcept { pcre2_match_data_free(p); }
};
struct free_match_context {
    void operator()(pcre2_match_context* p) const noexcept { pcre2_match_context_free(p); }
};
struct free_compile_context {
    void operator()(pcre2_compile_context* p) const noexcept { pcre2_compile_context_free(p); }
};

std::string error_text(int code) {
    PCRE2_UCHAR room[160];
    return pcre2_get_error_message(code, room, sizeof room) < 0 ? std::string("it cannot be compiled")
                                                                : std::string(reinterpret_cast<const char*>(room));
}

// Of this thread alone, so that a busy machine does not make texts unreadable.
duration processor_time() noexcept {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return seconds(t.tv_sec) + nanoseconds(t.tv_nsec);
}

bool continues(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

result<redactor> redactor::make(const config::capture& from) {
    redactor out;
    out.fields_ = from.redact_fields;
    std::sort(out.fields_.begin(), out.fields_.end());
    const std::unique_ptr<pcre2_compile_context, free_compile_context> how(pcre2_compile_context_create(nullptr));
    if (how) pcre2_set_max_pattern_length(how.get(), longest_pattern);
    for (const auto& p : from.redact) {
        int code = 0;
        PCRE2_SIZE where = 0;
        pcre2_code* made =
            pcre2_compile(reinterpret_cast<PCRE2_SPTR>(p.data()), p.size(),
                          PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT, &code, &where, how.get());
        if (made == nullptr)
            return fault{.code = "capture_pattern",
                         .message = "the pattern '" + p.substr(0, 200) + "' breaks at character " +
                                    std::to_string(where + 1) + ": " + error_text(code)};
        out.patterns_.emplace_back(
            made, [](const pcre2_real_code_8* c) { pcre2_code_free(const_cast<pcre2_real_code_8*>(c)); });
    }
    return out;
}

std::string redactor::apply(std::string_view text) const {
    std::string out = utf8::repaired(redact_members(text, fields_));
    const duration until = processor_time() + patience;
    for (const auto& p : patterns_)
        if (!replace(*p, out, until)) return std::string(redacted_text);
    return out;
}

// False: it cannot be said what is in the text.
bool redactor::replace(const pcre2_real_code_8& pattern, std::string& text, duration until) const {
    const std::unique_ptr<pcre2_match_data, free_match_data> found(pcre2_match_data_create(1, nullptr));
    const std::unique_ptr<pcre2_match_context, free_match_context> limits(pcre2_match_context_create(nullptr));
    if (!found || !limits) return false;
    const std::size_t places = std::max(fewest_places, text.size() / most_calls);
    const std::size_t steps = std::clamp(steps_of_a_call / places, fewest_steps, most_steps);
    pcre2_set_match_limit(limits.get(), static_cast<std::uint32_t>(steps));
    pcre2_set_depth_limit(limits.get(), most_depth);
    pcre2_set_heap_limit(limits.get(), most_heap_kib);

    std::string out;
    std::size_t kept = 0;  // everything in front of it is in `out`
    for (std::size_t from = 0; from <= text.size();) {
        if (processor_time() > until) return false;
        const std::size_t last = std::min(from + places, text.size());
        pcre2_set_offset_limit(limits.get(), last);
        const int n = pcre2_match(&pattern, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                                  PCRE2_NO_UTF_CHECK, found.get(), limits.get());
        std::size_t next = last + 1;
        if (n >= 0) {
            const PCRE2_SIZE* at = pcre2_get_ovector_pointer(found.get());
            // \K can put the begin behind the end or back into what was read before.
            if (at[0] > at[1] || at[0] < kept) return false;
            next = at[1];
            if (at[1] > at[0]) {
                out.append(text, kept, at[0] - kept).append(redacted_text);
                kept = at[1];
            } else {
                ++next;
            }
        } else if (n != PCRE2_ERROR_NOMATCH) {
            return false;
        }
        from = next;
        while (from < text.size() && continues(text[from])) ++from;
    }
    if (kept == 0) return true;
    out.append(text, kept);
    text = std::move(out);
    return true;
}

}  // namespace spillway::server
