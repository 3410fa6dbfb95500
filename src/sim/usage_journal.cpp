#include "usage_journal.hpp"

#include <algorithm>

namespace spillway::sim {
namespace {

std::string_view word_for(operation op) noexcept {
    switch (op) {
        case operation::chat: return "chat.completions";
        case operation::completions: return "completions";
        case operation::embeddings: return "embeddings";
        case operation::responses: return "responses";
        case operation::images: return "images.generations";
        case operation::speech: return "audio.speech";
        case operation::transcription: return "audio.transcriptions";
        case operation::models: return "models";
        case operation::family:
        case operation::stored: return "stored";
        case operation::unknown: break;
    }
    return "unknown";
}

json counts_json(const token_counts& t) {
    return {{"prompt_tokens", t.prompt},
            {"completion_tokens", t.completion},
            {"cached_tokens", t.cached},
            {"reasoning_tokens", t.reasoning}};
}

json entry_json(const usage_entry& e, std::uint64_t number) {
    json out{
        {"sequence", number}, {"request_id", e.request_id}, {"instance", *e.instance}, {"deployment", e.deployment}};
    out["model"] = e.model != nullptr ? json(*e.model) : json(nullptr);
    out["operation"] = word_for(e.op);
    out["streaming"] = e.streaming;
    out["status"] = e.status;
    out["outcome"] = to_string(e.outcome);
    out.update(counts_json(e.tokens));
    out["told"] = e.told;
    out["sent_completion_tokens"] = e.sent;
    return out;
}

}  // namespace

std::string_view to_string(usage_outcome o) noexcept {
    switch (o) {
        case usage_outcome::complete: return "complete";
        case usage_outcome::aborted: return "aborted";
        case usage_outcome::fault: break;
    }
    return "fault";
}

void usage_journal::add(usage_entry e) {
    std::string name = *e.instance;
    // What clients call deployments that are none is endless.
    if (e.model != nullptr) name.append("/").append(e.deployment);
    totals& t = totals_[name];
    ++t.requests;
    ++(e.outcome == usage_outcome::complete  ? t.complete
       : e.outcome == usage_outcome::aborted ? t.aborted
                                             : t.faults);
    if (e.outcome == usage_outcome::complete && e.status == 200) t.tokens += e.tokens;
    if (e.told) {
        ++t.told;
        t.told_tokens += e.tokens;
    }
    entries_.push_back(std::move(e));
    if (entries_.size() <= most_) return;
    entries_.pop_front();
    ++before_;
    ++dropped_;
}

void usage_journal::clear() {
    before_ = last();
    dropped_ = 0;
    entries_.clear();
    totals_.clear();
}

std::string usage_journal::lines(std::uint64_t since, std::uint64_t limit) const {
    std::string out;
    const std::uint64_t from = since > before_ ? std::min<std::uint64_t>(since - before_, entries_.size()) : 0;
    const std::uint64_t to = from + std::min<std::uint64_t>(limit, entries_.size() - from);
    for (std::uint64_t i = from; i < to; ++i) {
        out += to_text(entry_json(entries_[i], before_ + i + 1));
        out += '\n';
    }
    return out;
}

json usage_journal::to_json() const {
    json by_deployment = json::object();
    for (const auto& [name, t] : totals_)
        by_deployment[name] = {{"requests", t.requests},
                               {"complete", t.complete},
                               {"aborted", t.aborted},
                               {"faults", t.faults},
                               {"told", t.told},
                               {"complete_tokens", counts_json(t.tokens)},
                               {"told_tokens", counts_json(t.told_tokens)}};
    return {{"last", last()},
            {"entries", entries_.size()},
            {"dropped", dropped_},
            {"deployments", std::move(by_deployment)}};
}

}  // namespace spillway::sim
