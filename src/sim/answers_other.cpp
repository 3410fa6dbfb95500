#include <algorithm>
#include <cmath>

#include <spillway/base/random.hpp>
#include <spillway/base/text.hpp>

#include "answer_text.hpp"
#include "identity_crypto.hpp"

namespace spillway::sim {
namespace {

// A vector of length one, more or less, that follows from the input.
std::vector<float> vector_of(const json& input, std::uint64_t dimensions) {
    random_source random(text::hash(to_text(input)));
    const double scale = std::sqrt(3.0 / static_cast<double>(dimensions));
    std::vector<float> out;
    for (std::uint64_t i = 0; i < dimensions; ++i) out.push_back(static_cast<float>(scale * (2 * random.unit() - 1)));
    return out;
}

json embedding(const json& input, std::uint64_t index, std::uint64_t dimensions, bool packed) {
    const std::vector<float> v = vector_of(input, dimensions);
    json out{{"object", "embedding"}, {"index", index}};
    if (packed) out["embedding"] = base64({reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float)});
    else out["embedding"] = v;
    return out;
}

// A list of texts or of token lists is many inputs; a text or one list of tokens is one.
bool is_many(const json& input) { return input.is_array() && !input.empty() && !input.front().is_number(); }

}  // namespace

answer embeddings_answer(const call& c) {
    const json* input = find(*c.body, "input");
    if (input == nullptr) return error_answer(400, {}, "'input' is a required property", "invalid_request_error");
    const std::uint64_t dimensions = std::clamp<std::uint64_t>(number_or(*c.body, "dimensions", 1536), 1, 4096);
    const bool packed = string_or(*c.body, "encoding_format", "float") == "base64";
    json data = json::array();
    if (is_many(*input))
        for (const auto& one : *input) data.push_back(embedding(one, data.size(), dimensions, packed));
    else data.push_back(embedding(*input, 0, dimensions, packed));
    const std::uint64_t tokens = prompt_tokens(*c.body);
    answer out = answer::of(200, {{"object", "list"},
                                  {"data", std::move(data)},
                                  {"model", c.deployment->model},
                                  {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}});
    out.usage.prompt = tokens;
    return out;
}

}  // namespace spillway::sim
