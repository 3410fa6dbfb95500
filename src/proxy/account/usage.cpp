#include <algorithm>
#include <array>
#include <cstring>

#include <spillway/core/account.hpp>
#include <spillway/core/usage.hpp>
#include <spillway/proxy/usage_estimator.hpp>
#include <spillway/tokens/estimator.hpp>

#include "../request/telling.hpp"
#include "kept_prompt.hpp"
#include "record.hpp"

// What a request has used: tokens, record, settlement of quotas.
namespace spillway::proxy {
namespace {

std::uint64_t micros(time_point from, time_point to) noexcept {
    const auto n = std::chrono::duration_cast<microseconds>(to - from).count();
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, n));
}

// Who asked, who served, and how it went. Its tokens and its price are still missing.
core::usage_record record_of(const exchange_record& of, const core::ending& e, std::string& tries) {
    const auto& shared = of.config();
    auto& random = of.at.worker.random();
    core::usage_record r;
    r.time_us = std::chrono::duration_cast<microseconds>(of.asked.began_wall.time_since_epoch()).count();
    // By the request's end, so that records lie in the store in the order in which they come.
    const auto took_ms = std::chrono::duration_cast<milliseconds>(of.ended - of.asked.began).count();
    r.id = core::make_record_id(static_cast<std::uint64_t>(r.time_us / 1000 + took_ms), random.next(), random.next());
    r.gateway = shared.tree->gateway.name;
    r.client = of.of_client()->name;
    r.labels_json = of.of_client()->labels_json;
    r.end_user = of.asked.terms.end_user;
    r.request_id = of.asked.id();
    r.route = of.route_name();
    r.model = of.pipe.model();
    if (const auto* p = of.of_pool()) {
        r.pool = p->name;
        if (r.model.empty()) r.model = p->model;
        // A name that no route knows may be anything, and there is no end of such names.
        r.deployment = deployment_told(of.at, of.asked.deployment, of.way.route);
    }
    if (const auto* b = of.served_by()) {
        const auto& on = of.tried.instance_of(*b);
        r.backend = b->name;
        r.instance = on.name;
        r.region = on.region;
    }
    r.operation = of.asked.operation_name();
    r.code = of.sent.failure();
    if (r.code.empty() && of.pipe.ends_with_error()) r.code = "stream_error";
    append_tries(of, tries);
    r.tries_json = tries;
    r.status = static_cast<std::uint16_t>(of.sent.status());
    r.attempts = static_cast<std::uint8_t>(std::min<std::uint32_t>(of.tried.count(), 255));
    r.outcome = core::outcome_of(e);
    r.streaming = of.asked.terms.streams;
    r.bytes_in = of.asked.body.received();
    r.bytes_out = of.sent.bytes();
    if (of.tried.first_byte_at() != time_point{})
        r.first_byte_us = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(micros(of.asked.began, of.tried.first_byte_at()), UINT32_MAX));
    r.duration_us = micros(of.asked.began, of.ended);
    return r;
}

// By bytes alone: for answers that broke off before their usage, and when the estimator has too much to do.
void guess_seen(core::usage_record& r, const exchange_record& of) noexcept {
    const auto& pipe = of.pipe;
    r.tokens.prompt = tokens::guess(of.asked.terms.prompt_bytes);
    r.tokens.completion =
        tokens::guess(pipe.events() != nullptr ? pipe.text().size() + pipe.text_cut() : of.sent.bytes() / 2);
    if (of.asked.family() == core::family::embeddings) r.tokens.completion = 0;
    r.source = core::token_source::estimated;
}

// By the prompt and by time: what the backend may have written, of which nothing was seen.
void guess_unseen(core::usage_record& r, const exchange_record& of) noexcept {
    const auto& terms = of.asked.terms;
    r.tokens.prompt = tokens::guess(terms.prompt_bytes);
    r.tokens.completion = core::unseen_answer(of.ended - of.tried.began(), of.asked.reserved_answer(), terms.choices);
    r.source = core::token_source::estimated;
}

// What does not belong to the configuration moves along with the record.
void own_texts(usage_estimator::job& j) {
    auto& r = j.record;
    const std::array own{&r.end_user, &r.request_id, &r.deployment, &r.model, &r.tries_json};
    std::size_t bytes = 0;
    for (const auto* v : own) bytes += v->size();
    j.texts = std::make_unique<char[]>(bytes + 1);
    char* at = j.texts.get();
    for (auto* v : own) {
        std::memcpy(at, v->data(), v->size());
        *v = {at, v->size()};
        at += v->size();
    }
}

// Hands the record over to be counted by the vocabulary. False: there is nothing to count, or no room.
bool estimate_elsewhere(exchange_record& of, const core::usage_record& r, permit& by_quota, answer_pipe& pipe,
                        kept_prompt& prompt) {
    auto* const estimator = of.at.worker.process().estimator;
    if (pipe.events() == nullptr || estimator == nullptr) return false;
    usage_estimator::job j;
    j.of = of.at.snapshot->shared;
    j.record = r;
    if (const auto* b = of.served_by()) j.price = b->price;
    j.prompt = prompt.take();
    if (j.prompt.empty()) j.record.tokens.prompt = tokens::guess(of.asked.terms.prompt_bytes);
    j.answer_cut = pipe.text_cut();
    j.answer = pipe.take_text();
    own_texts(j);
    j.hold = by_quota.hold();
    if (!estimator->take(j)) {
        prompt.put_back(std::move(j.prompt));
        pipe.put_text_back(std::move(j.answer));
        return false;
    }
    // The permit comes free now, not when the tokens have been counted.
    by_quota.leave();
    return true;
}

// The same numbers for metrics; estimates as the worker guesses them.
void count_tokens(const exchange_record& of, const core::usage_record& r) {
    auto& worker = of.at.worker;
    stats::usage_numbers n;
    n.client = of.of_client()->label;
    n.operation = of.operation_label();
    if (const auto* p = of.of_pool()) {
        n.pool = p->label;
        n.model = p->model_label;
    }
    n.outcome = worker.label(core::to_string(r.outcome));
    if (!of.sent.failure().empty()) n.error = worker.label(of.sent.failure());
    else if (of.sent.status() >= 400) n.error = worker.status_label(of.sent.status());
    if (!of.sent.is_local() && of.tried.count() > 0) {
        n.attempt_error = n.error;
        n.attempt_seconds = seconds_between(of.tried.began(), of.ended);
    }
    n.source = static_cast<stats::usage_numbers::origin>(r.source);
    n.prompt = r.tokens.prompt;
    n.completion = r.tokens.completion;
    n.cached = r.tokens.cached;
    n.reasoning = r.tokens.reasoning;
    n.price_nanos = r.price_nanos;
    n.seconds = static_cast<double>(r.duration_us) * 1e-6;
    if (r.streaming && r.first_byte_us != 0) n.first_token_seconds = static_cast<double>(r.first_byte_us) * 1e-6;
    n.token_seconds = static_cast<double>(r.token_us) * 1e-6;
    worker.stats().count_usage(n);
}

// Tokens by the best basis that there is. False: another thread counts them, and writes the record.
bool find_tokens(exchange_record& of, const core::ending& e, core::usage_record& r, permit& by_quota,
                 answer_pipe& pipe, kept_prompt& prompt) {
    const auto json = pipe.usage_json();
    const auto told = json.empty() ? std::nullopt : core::parse_usage(json);
    switch (core::basis_of(e, told.has_value())) {
        case core::token_basis::none: return true;
        case core::token_basis::answer:
            r.tokens = *told;
            r.source = core::token_source::exact;
            return true;
        case core::token_basis::unseen:
            if (of.config().counts_tokens) guess_unseen(r, of);
            return true;
        case core::token_basis::seen: break;
    }
    if (!of.config().counts_tokens) return true;
    core::usage_record guessed = r;
    guess_seen(guessed, of);
    const bool elsewhere = estimate_elsewhere(of, r, by_quota, pipe, prompt);
    r = guessed;
    return !elsewhere;
}

}  // namespace

void settle_usage(exchange_record& of, permit& by_quota, answer_pipe& pipe, kept_prompt& prompt) {
    auto& worker = of.at.worker;
    const auto& shared = of.config();
    if (of.by.client && !of.asked.is_probe) {
        std::string& tries = worker.text();
        tries.clear();
        const core::ending e = of.ending();
        core::usage_record r = record_of(of, e, tries);
        const bool here = find_tokens(of, e, r, by_quota, pipe, prompt);
        const auto* b = of.served_by();
        complete_record(r, b != nullptr ? b->price : std::nullopt);
        if (here) {
            by_quota.settle({to_signed(r.tokens.total()), r.price_nanos}, of.ended);
            if (shared.ledger && !worker.append_record(*shared.ledger, r)) worker.stats().usage_records_lost.add();
        }
        of.id = r.id;
        of.tokens = r.tokens;
        of.source = r.source;
        count_tokens(of, r);
    }
    by_quota.settle({}, of.ended);
}

}  // namespace spillway::proxy
