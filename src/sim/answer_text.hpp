#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "answer.hpp"

namespace spillway::sim {

// The words of an answer, which follow from the prompt alone: any instance gives the same.
struct made_text {
    std::vector<std::string> tokens;  // the first without a blank before it
    std::uint64_t reasoning{0};       // tokens that were thought before the first of them
    bool cut{false};                  // the request's own limit ended it
    std::uint64_t made() const noexcept { return reasoning + tokens.size(); }
    std::string whole() const;
};
made_text make_text(const call& c, std::uint64_t variant = 0);

// Hash of what the request asks, whatever way of delivery and deployment it names.
std::uint64_t prompt_hash(const json& body);
// Four bytes of text are a token; never less than one.
std::uint64_t prompt_tokens(const json& body);
// The same of any value.
std::uint64_t tokens_in(const json& j);
// What a request reserves on arrival: the prompt and the longest answer that it allows.
std::uint64_t estimated_tokens(const call& c);
// The request's limit on its answer, or what the deployment gives without one.
std::uint64_t most_answer_tokens(const call& c);

// Which part of the prompt the cache had, as the deployment is set.
std::uint64_t cached_tokens(const call& c, std::uint64_t prompt);

json usage_json(const token_counts& u);
json filter_results();  // nothing found

}  // namespace spillway::sim
