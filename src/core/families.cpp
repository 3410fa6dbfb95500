#include <spillway/core/operation.hpp>

#include <algorithm>
#include <array>

#include <spillway/http/json_scan.hpp>

#include "family_rows.hpp"

namespace spillway::core {
namespace {

using family_rows::rows;
using f = family;

constexpr bool rows_are_in_order() {
    for (std::size_t i = 0; i < rows.size(); ++i)
        if (rows[i].family != static_cast<family>(i)) return false;
    return true;
}
static_assert(rows_are_in_order(), "a family's row stands at its number");

constexpr auto all_operation_names = [] {
    std::array<std::string_view, rows.size()> out;
    for (std::size_t i = 0; i < rows.size(); ++i) out[i] = rows[i].name;
    return out;
}();

}  // namespace

const family_row& row_of(family f) noexcept { return rows[static_cast<std::size_t>(f)]; }

bool fits_openai(const operation& op) noexcept { return op.row().fits_openai; }

// OpenAI: code model_not_found. vLLM and Ollama: a message that begins with the model. Web frameworks that know no
// such path, as below a wrong base path: no `error` at all; OpenAI: "Invalid URL". A message counts by its beginning
// alone, since what follows may repeat the client's own words, and other members than `model` are the client's, too.
bool says_model_missing(std::string_view body) noexcept {
    http::json_query outer;
    const auto error = outer.want("error"), bare_type = outer.want("type"), bare_message = outer.want("message");
    if (http::scan_json_object(body, outer) != http::json_error::none) return false;
    auto message = outer[bare_message].raw;
    std::string_view code, param;
    if (outer[error].kind == http::json_kind::object) {
        http::json_query inner;
        const auto inner_code = inner.want("code"), inner_param = inner.want("param"),
                   inner_message = inner.want("message");
        if (http::scan_json_object(outer[error].raw, inner) != http::json_error::none) return false;
        code = inner[inner_code].raw;
        param = inner[inner_param].raw;
        message = inner[inner_message].raw;
    } else if (outer[error].kind == http::json_kind::string) {
        message = outer[error].raw;
    } else if (!outer[error].present() && !outer[bare_type].present() && !outer[bare_message].present()) {
        return true;
    }
    if (!param.empty() && param != "null" && param != R"("model")") return false;
    if (code == R"("model_not_found")") return true;
    constexpr std::string_view beginnings[] = {R"("The model `)", R"("model \")", R"("model ')", R"("Invalid URL)"};
    return std::any_of(std::begin(beginnings), std::end(beginnings),
                       [&](std::string_view b) { return message.starts_with(b); });
}

std::span<const std::string_view> operation_names() noexcept { return all_operation_names; }

namespace {

constexpr std::array<std::string_view, 2> group_names{"stateless", "objects"};
constexpr std::uint32_t bit_of(family f) { return std::uint32_t{1} << static_cast<unsigned>(f); }
constexpr std::uint32_t stateless_bits = bit_of(f::chat) | bit_of(f::completions) | bit_of(f::embeddings) |
                                         bit_of(f::responses) | bit_of(f::images) | bit_of(f::speech) |
                                         bit_of(f::models) | bit_of(f::transcriptions) | bit_of(f::translations);
constexpr std::uint32_t all_bits = (std::uint32_t{1} << rows.size()) - 1;
static_assert(rows.size() < 32, "a route keeps its operations as bits of 32");

}  // namespace

std::span<const std::string_view> operation_groups() noexcept { return group_names; }

std::uint32_t operation_bits(std::string_view name) noexcept {
    if (name == group_names[0]) return stateless_bits;
    if (name == group_names[1]) return all_bits & ~stateless_bits;
    const auto at = std::find(all_operation_names.begin(), all_operation_names.end(), name);
    return at == all_operation_names.end() ? 0 : std::uint32_t{1} << (at - all_operation_names.begin());
}

}  // namespace spillway::core
