// Counting of tokens: any text, any escaped text, any body. Decoding is checked against a full parser.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <nlohmann/json.hpp>

#include <spillway/http/json_scan.hpp>
#include <spillway/tokens/estimator.hpp>

using namespace spillway::tokens;

namespace {

void require(bool what) {
    if (!what) std::abort();
}

void check(const std::string& text, encoding e) {
    const auto n = count(text, e);
    require((n == 0) == text.empty());
    require(n <= 3 * text.size());  // a broken byte becomes a character of three
    const auto escaped = nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    require(count_escaped(std::string_view(escaped).substr(1, escaped.size() - 2), e) == n);
    count_escaped(text, e);

    const auto prompt = count_prompt(text, e);
    spillway::http::json_query nothing;
    if (spillway::http::scan_json_object(text, nothing) != spillway::http::json_error::none) require(prompt == n);
    // The same as a message's content: three for the message, three for the answer's beginning.
    require(count_prompt(R"({"messages":[{"content":)" + escaped + "}]}", e) == n + 6);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    check(text, encoding::o200k);
    check(text, encoding::cl100k);
    return 0;
}
