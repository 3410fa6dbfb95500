#include "answer_text.hpp"

#include <algorithm>
#include <array>

#include <spillway/base/random.hpp>
#include <spillway/base/text.hpp>

#include "answer_schema.hpp"
#include "schema_value.hpp"

namespace spillway::sim {
namespace {

constexpr std::array<std::string_view, 32> vocabulary{
    "water", "runs",  "down",  "the",  "hill", "and",  "finds", "its",    "way",   "to",   "sea",
    "where", "stone", "and",   "sand", "wait", "for",  "every", "season", "while", "wind", "in",
    "old",   "trees", "tells", "of",   "rain", "that", "came",  "from",   "far",   "away"};

// Keys that hold what the model reads; the rest of a body says how to answer.
constexpr std::array<const char*, 6> prompt_keys{"messages", "input", "prompt", "instructions", "tools", "functions"};

// What of a form belongs to the question, too.
constexpr std::array<const char*, 3> file_keys{"file", "image", "mask"};

std::uint64_t text_bytes(const json& j) {
    if (j.is_string()) return j.get_ref<const std::string&>().size();
    if (j.is_number()) return 4;  // a token given by its number
    std::uint64_t n = 0;
    if (j.is_structured())
        for (const auto& below : j) n += text_bytes(below);
    return n;
}

}  // namespace

std::string made_text::whole() const {
    std::string out;
    for (const auto& t : tokens) out += t;
    return out;
}

std::uint64_t prompt_hash(const json& body) {
    std::string all;
    for (const char* key : prompt_keys)
        if (const json* j = find(body, key); j != nullptr) all += to_text(*j);
    for (const char* key : file_keys)
        if (const json* j = find(body, key); j != nullptr) all += to_text(*j);
    return text::hash(all);
}

std::uint64_t prompt_tokens(const json& body) {
    std::uint64_t bytes = 0;
    for (const char* key : prompt_keys)
        if (const json* j = find(body, key); j != nullptr) bytes += text_bytes(*j);
    return std::max<std::uint64_t>(1, (bytes + 3) / 4);
}

std::uint64_t tokens_in(const json& j) { return (text_bytes(j) + 3) / 4; }

std::uint64_t most_answer_tokens(const call& c) {
    std::uint64_t most = c.deployment->answer_tokens + c.deployment->reasoning_tokens;
    for (const char* key : {"max_completion_tokens", "max_tokens", "max_output_tokens"})
        most = number_or(*c.body, key, most);
    return std::max<std::uint64_t>(1, most);
}

std::uint64_t estimated_tokens(const call& c) {
    std::uint64_t n = prompt_tokens(*c.body);
    if (c.op != operation::chat && c.op != operation::completions && c.op != operation::responses) return n;
    const std::uint64_t answers = std::max(number_or(*c.body, "n", 1), number_or(*c.body, "best_of", 1));
    return n + most_answer_tokens(c) * std::clamp<std::uint64_t>(answers, 1, 128);
}

made_text make_text(const call& c, std::uint64_t variant) {
    made_text out;
    const auto& d = *c.deployment;
    const std::uint64_t seed = prompt_hash(*c.body) + variant, most = most_answer_tokens(c);
    // A stream of its own, so that the words stay the same whatever the settings say of their number.
    random_source lengths(seed ^ 0x6c656e67746873ULL);
    const double shorter = d.answer_spread * lengths.unit();
    const auto wanted = std::max<std::uint64_t>(
        1, d.answer_tokens - static_cast<std::uint64_t>(shorter * static_cast<double>(d.answer_tokens)));
    const auto thought = static_cast<std::uint64_t>(lengths.unit() * static_cast<double>(d.reasoning_tokens + 1));
    out.reasoning = std::min(thought, most - 1);
    // Structured outputs: the text is a JSON document, as long as it has to be.
    if (const json* schema = answer_schema(c); schema != nullptr) {
        out.tokens = in_pieces(to_text(value_for(*schema, seed)));
        out.cut = most < out.reasoning + out.tokens.size();
        if (out.cut) out.tokens.resize(most - out.reasoning);
        return out;
    }
    random_source random(seed);
    for (std::uint64_t i = 0; i < std::min(most - out.reasoning, wanted); ++i) {
        const auto word = vocabulary[random.below(vocabulary.size())];
        out.tokens.push_back((i == 0 ? "" : " ") + std::string(word));
    }
    out.cut = most < thought + wanted;
    return out;
}

std::uint64_t cached_tokens(const call& c, std::uint64_t prompt) {
    if (c.deployment->cached_share == 0) return 0;
    random_source random(prompt_hash(*c.body) ^ 0x636163686564ULL);
    return static_cast<std::uint64_t>(c.deployment->cached_share * random.unit() * static_cast<double>(prompt));
}

json usage_json(const token_counts& u) {
    return {{"completion_tokens", u.completion},
            {"prompt_tokens", u.prompt},
            {"total_tokens", u.total()},
            {"completion_tokens_details", {{"audio_tokens", 0}, {"reasoning_tokens", u.reasoning}}},
            {"prompt_tokens_details", {{"audio_tokens", 0}, {"cached_tokens", u.cached}}}};
}

json filter_results() {
    json out;
    for (const char* kind : {"hate", "self_harm", "sexual", "violence"})
        out[kind] = {{"filtered", false}, {"severity", "safe"}};
    return out;
}

}  // namespace spillway::sim
