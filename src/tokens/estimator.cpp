#include <spillway/tokens/estimator.hpp>

#include <spillway/base/text.hpp>
#include <spillway/base/utf8.hpp>

#include "escaped.hpp"
#include "merge.hpp"
#include "split.hpp"

namespace spillway::tokens {

encoding encoding_of(std::string_view model) noexcept {
    const auto begins = [&](std::string_view prefix) { return text::istarts_with(model, prefix); };
    if (begins("ft:")) model.remove_prefix(3);
    if (begins("gpt-35") || begins("gpt-3.5") || begins("text-embedding-") || begins("davinci-002") ||
        begins("babbage-002") || text::iequals(model, "gpt-4") || begins("gpt-4-") || begins("gpt-4:"))
        return encoding::cl100k;
    return encoding::o200k;
}

std::size_t count(std::string_view text, encoding e) {
    if (text.empty()) return 0;
    std::string repaired;
    if (!utf8::valid(text)) text = repaired = utf8::repaired(text);
    merger m(vocabulary::of(e));
    std::size_t n = 0;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = piece_end(text, at, e);
        n += m.count(text.substr(at, end - at));
        at = end;
    }
    return n;
}

std::size_t count_escaped(std::string_view raw, encoding e) {
    if (raw.find('\\') == std::string_view::npos) return count(raw, e);
    return count(unescape(raw), e);
}

}  // namespace spillway::tokens
