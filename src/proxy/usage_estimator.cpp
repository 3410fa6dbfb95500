#include <spillway/proxy/usage_estimator.hpp>

#include <spillway/core/price.hpp>
#include <spillway/tokens/estimator.hpp>

namespace spillway::proxy {

usage_estimator::usage_estimator() : thread_([this] { work(); }) {}

usage_estimator::~usage_estimator() { stop(); }

void usage_estimator::stop() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

bool usage_estimator::take(job& j) {
    const std::size_t bytes = j.prompt.size() + j.answer.size() + sizeof j;
    const std::lock_guard lock(mutex_);
    if (waiting_bytes_ + bytes > most_bytes) return false;
    waiting_bytes_ += bytes;
    waiting_.push_back(std::move(j));
    wake_.notify_one();
    return true;
}

void usage_estimator::write_to(ledger::spool_writer* to) {
    const std::lock_guard lock(mutex_);
    to_ = to;
}

void usage_estimator::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        job j = std::move(waiting_.front());
        waiting_.pop_front();
        waiting_bytes_ -= j.prompt.size() + j.answer.size() + sizeof j;
        auto* const to = to_;
        lock.unlock();
        finish(j);
        if (to != nullptr && j.of->tree->usage && !to->append(j.record))
            lost_.fetch_add(1, std::memory_order_relaxed);
        finished_.fetch_add(1, std::memory_order_relaxed);
        j = {};
        lock.lock();
    }
}

void usage_estimator::finish(job& j) {
    const auto encoding = tokens::encoding_of(j.record.model);
    if (!j.prompt.empty()) j.record.tokens.prompt = tokens::count_prompt(j.prompt, encoding);
    std::uint64_t answer = tokens::count_escaped(j.answer, encoding);
    // What was not kept had the same number of bytes to a token.
    if (j.answer_cut > 0 && !j.answer.empty())
        answer = add_sat(answer, mul_sat<std::uint64_t>(answer, j.answer_cut) / j.answer.size());
    j.record.tokens.completion = answer;
    j.record.source = core::token_source::estimated;
    complete_record(j.record, j.price);
    const quota::amounts real{to_signed(j.record.tokens.total()), j.record.price_nanos};
    for (const auto& h : j.hold.holders)
        h->book(j.hold.estimate, real, j.hold.began, clock::now(), wall_clock::now());
}

void complete_record(core::usage_record& r, const std::optional<config::price>& price) noexcept {
    r.priced = price.has_value();
    r.price_nanos = price ? core::price_of(r.tokens, *price) : 0;
    if (r.tokens.completion > 1 && r.streaming && r.first_byte_us != 0 && r.duration_us > r.first_byte_us)
        r.token_us = static_cast<std::uint32_t>((r.duration_us - r.first_byte_us) / (r.tokens.completion - 1));
}

}  // namespace spillway::proxy
