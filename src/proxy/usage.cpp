#include <algorithm>
#include <cstring>

#include <spillway/core/usage.hpp>
#include <spillway/proxy/exchange.hpp>
#include <spillway/proxy/usage_estimator.hpp>
#include <spillway/tokens/estimator.hpp>

// What a request has used: tokens, record, metrics, settlement of quotas.
namespace spillway::proxy {
namespace {

// Kept of a stream's request and of its answer, for an estimate: less where only a stream that breaks off needs one.
constexpr std::size_t prompt_kept = 64 * 1024, prompt_kept_asked = 8 * 1024;
constexpr std::size_t text_kept = 128 * 1024, text_kept_asked = 16 * 1024;
constexpr std::size_t end_user_kept = 128;
// What a backend writes unseen, for each choice: as much as a fast deployment does.
constexpr std::uint64_t tokens_a_second = 100;

bool has_tokens(core::family f) noexcept { return f != core::family::speech && f != core::family::models; }

}  // namespace

// Looks at the answer from its first byte on. Its usage is always read, so that no figure is a guess where the answer
// tells it; its text is kept only where somebody wants an estimate.
void exchange::watch_answer() {
    if (!has_tokens(classified_.op->family)) return;
    if (events_ && !snapshot_->shared->counts_tokens) return;
    if (events_) events_->want_text(&usage_.text, usage_.asked ? text_kept_asked : text_kept);
    else if (scratch_->response.status < 300) usage_.tap = worker_.take_tap();
}

// Before an open stream lets go of its request.
void exchange::keep_prompt() {
    if (!events_ || !snapshot_->shared->counts_tokens) return;
    const std::size_t bytes = body_.size();
    if (bytes > (usage_.asked ? prompt_kept_asked : prompt_kept)) return;
    const auto& shared = *snapshot_->shared;
    const auto take = [bytes](std::atomic<std::size_t>& held, std::size_t most) {
        if (held.fetch_add(bytes, std::memory_order_relaxed) + bytes <= most) return true;
        held.fetch_sub(bytes, std::memory_order_relaxed);
        return false;
    };
    auto& mine = *shared.clients[*client_].body_bytes;
    if (!take(mine, shared.client_body_memory)) return;
    if (!take(worker_.process().body_bytes, shared.body_memory)) {
        mine.fetch_sub(bytes, std::memory_order_relaxed);
        return;
    }
    usage_.prompt_held = bytes;
    usage_.prompt.assign(body_);
}

void exchange::note_end_user(std::string_view raw) {
    if (!snapshot_->shared->end_users) return;
    std::array<char, 1024> memory;
    const auto decoded = raw.size() <= memory.size() ? http::decode_json_string(raw, memory) : std::nullopt;
    if (!decoded) return;
    auto size = std::min(decoded->size(), end_user_kept);
    // Not in the middle of a character.
    while (size > 0 && size < decoded->size() && (static_cast<unsigned char>((*decoded)[size]) & 0xc0U) == 0x80U)
        --size;
    usage_.end_user.assign(decoded->substr(0, size));
}

// A stream that was committed as good and then told of an error in its last event.
bool exchange::ends_with_error() const noexcept {
    return reply_code_.empty() && events_ && events_->terminal_is_error();
}

core::usage_outcome exchange::outcome_of_request() const noexcept {
    using outcome = core::usage_outcome;
    if (client_left_) return outcome::client_left;
    if (!broken_why_.empty() || ends_with_error()) return outcome::broken;
    if (!reply_code_.empty())
        return status_ < 500 && reply_who_ == origin::client ? outcome::refused : outcome::failed;
    return status_ >= 400 ? outcome::error : outcome::ok;
}

// Tokens as the answer told them. False: it did not, though it has some, and they have to be estimated.
bool exchange::read_tokens(core::usage_record& r) const {
    if (classified_.op == nullptr || !has_tokens(classified_.op->family)) return true;
    const bool answered = progress_ != progress::nothing && reply_code_.empty() && status_ < 300;
    if (!answered) return !left_unanswered();
    std::string_view json;
    if (events_) json = events_->usage().json(), r.model = events_->usage().model();
    else if (usage_.tap) json = usage_.tap->json(), r.model = usage_.tap->model();
    if (const auto told = json.empty() ? std::nullopt : core::parse_usage(json)) {
        r.tokens = *told;
        r.source = core::token_source::exact;
        return true;
    }
    // Images may have no tokens at all, and their bytes tell nothing.
    return classified_.op->family == core::family::images;
}

// The client went away while a backend had its request and no answer was there. Failed attempts cost nobody anything,
// but a backend that reads a prompt and thinks is paid, whoever waits for it.
bool exchange::left_unanswered() const noexcept {
    return client_left_ && usage_.went_out && reply_code_.empty() && progress_ == progress::nothing &&
           classified_.op->family != core::family::images;
}

void exchange::fill_record(core::usage_record& r, time_point ended) {
    const auto& shared = *snapshot_->shared;
    r.time_us = std::chrono::duration_cast<microseconds>(usage_.began_wall.time_since_epoch()).count();
    // By the request's end, so that records lie in the store in the order in which they come.
    const auto ended_ms = r.time_us / 1000 + std::chrono::duration_cast<milliseconds>(ended - began_).count();
    r.id =
        core::make_record_id(static_cast<std::uint64_t>(ended_ms), worker_.random().next(), worker_.random().next());
    r.gateway = shared.gateway;
    const auto& c = shared.clients[*client_];
    r.client = c.name;
    r.labels_json = c.labels_json;
    r.end_user = usage_.end_user;
    r.request_id = request_id();
    if (route_) r.route = shared.route_names[*route_];
    if (pool_) {
        r.pool = the_pool().name;
        if (r.model.empty()) r.model = the_pool().model;
    }
    if (serving_ != nullptr && reply_code_.empty()) {
        r.backend = serving_->name;
        r.instance = shared.instances[serving_->instance].name;
        r.region = shared.instances[serving_->instance].region;
    }
    // A name that no route knows may be anything, and there is no end of such names.
    if (pool_) r.deployment = deployment_told();
    if (classified_.op != nullptr) r.operation = classified_.op->name;
    r.code = failure_word();
    if (r.code.empty() && ends_with_error()) r.code = "stream_error";
    r.status = static_cast<std::uint16_t>(status_);
    r.attempts = static_cast<std::uint8_t>(std::min<std::uint32_t>(attempts_, 255));
    r.outcome = outcome_of_request();
    r.streaming = streams_;
    r.bytes_in = usage_.bytes_in;
    r.bytes_out = bytes_to_client_;
    const auto micros = [this](time_point t) {
        return static_cast<std::uint64_t>(
            std::max<std::int64_t>(0, std::chrono::duration_cast<microseconds>(t - began_).count()));
    };
    if (first_byte_at_ != time_point{})
        r.first_byte_us = static_cast<std::uint32_t>(std::min<std::uint64_t>(micros(first_byte_at_), UINT32_MAX));
    r.duration_us = micros(ended);
}

void exchange::account_usage(time_point ended) {
    const auto& shared = *snapshot_->shared;
    if (!client_ || is_probe_) return;
    core::usage_record r;
    const bool told = read_tokens(r);
    fill_record(r, ended);
    std::string& tries = worker_.text();
    tries.clear();
    append_tries(tries);
    r.tries_json = tries;
    const auto price = serving_ != nullptr && reply_code_.empty() ? serving_->price : std::nullopt;
    if (!told && shared.counts_tokens) {
        const bool unseen = left_unanswered() || (client_left_ && events_ && events_->usage().text_bytes() == 0);
        if (unseen) guess_unseen(r, ended);
        else if (estimate_elsewhere(r, price, ended)) return;
        else guess_tokens(r);
    }
    complete_record(r, price);
    settle_quotas({to_signed(r.tokens.total()), r.price_nanos}, ended);
    if (shared.ledger && !worker_.append_record(*shared.ledger, r)) worker_.stats().usage_records_lost.add();
    usage_.recorded = {r.id, r.tokens, r.source};
    count_tokens(r, ended);
}

// Bytes of the stream's text that were not kept.
std::uint64_t exchange::text_cut() const noexcept {
    const auto all = events_->usage().text_bytes();
    return all - std::min<std::uint64_t>(all, usage_.text.size());
}

// By bytes alone: for answers that broke off before their usage, and when the estimator has too much to do.
void exchange::guess_tokens(core::usage_record& r) const noexcept {
    r.tokens.prompt = tokens::guess(usage_.prompt_bytes);
    r.tokens.completion = tokens::guess(events_ ? usage_.text.size() + text_cut() : bytes_to_client_ / 2);
    if (classified_.op->family == core::family::embeddings) r.tokens.completion = 0;
    r.source = core::token_source::estimated;
}

// By the prompt and by time: what the backend may have written, of which nothing was seen. Never more than the
// request allows.
void exchange::guess_unseen(core::usage_record& r, time_point ended) const noexcept {
    r.tokens.prompt = tokens::guess(usage_.prompt_bytes);
    const auto ms = std::chrono::duration_cast<milliseconds>(ended - attempt_began_).count();
    const auto written = mul_sat<std::uint64_t>(static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 0)),
                                                tokens_a_second * usage_.choices) /
                         1000;
    r.tokens.completion = std::min(reserved_answer(), written);
    r.source = core::token_source::estimated;
}

// Hands the record over to be counted by the vocabulary. False: there is nothing to count, or no room.
bool exchange::estimate_elsewhere(core::usage_record& r, const std::optional<config::price>& price,
                                  time_point ended) {
    auto* const estimator = worker_.process().estimator;
    if (!events_ || estimator == nullptr) return false;
    core::usage_record counted = r;
    guess_tokens(counted);
    usage_estimator::job j;
    j.of = snapshot_->shared;
    j.record = r;
    j.price = price;
    j.prompt = std::move(usage_.prompt);
    if (j.prompt.empty()) j.record.tokens.prompt = tokens::guess(usage_.prompt_bytes);
    j.answer_cut = text_cut();
    j.answer = std::move(usage_.text);
    // What does not belong to the snapshot moves along.
    const std::array own{&j.record.end_user, &j.record.request_id, &j.record.deployment, &j.record.model,
                         &j.record.tries_json};
    std::size_t bytes = 0;
    for (const auto* v : own) bytes += v->size();
    j.texts = std::make_unique<char[]>(bytes + 1);
    char* at = j.texts.get();
    for (auto* v : own) {
        std::memcpy(at, v->data(), v->size());
        *v = {at, v->size()};
        at += v->size();
    }
    for (std::size_t i = 0; i < usage_.held; ++i) j.hold.holders.push_back(*holder_at(i));
    j.hold.estimate = usage_.estimate;
    j.hold.began = began_;
    if (!estimator->take(j)) {
        usage_.prompt = std::move(j.prompt);
        usage_.text = std::move(j.answer);
        return false;
    }
    // The permit comes free now, not when somebody has counted.
    for (std::size_t i = 0; i < usage_.held; ++i) (*holder_at(i))->leave();
    usage_.held = usage_.entered = 0;
    usage_.recorded = {r.id, counted.tokens, counted.source};
    complete_record(counted, price);
    count_tokens(counted, ended);
    return true;
}

// The same numbers for metrics; estimates as the worker guesses them.
void exchange::count_tokens(const core::usage_record& r, time_point ended) {
    stats::usage_numbers n;
    n.client = snapshot_->shared->clients[*client_].label;
    n.operation = classified_.op != nullptr ? worker_.label(classified_.op->name) : stats::label{0};
    if (pool_) {
        n.pool = the_pool().label;
        n.model = the_pool().model_label;
    }
    n.outcome = worker_.label(core::to_string(r.outcome));
    if (!failure_word().empty()) n.error = worker_.label(failure_word());
    else if (status_ >= 400) n.error = worker_.status_label(status_);
    if (reply_code_.empty() && attempts_ > 0) {
        n.attempt_error = n.error;
        n.attempt_seconds = seconds_between(attempt_began_, ended);
    }
    n.source = static_cast<stats::usage_numbers::origin>(r.source);
    n.prompt = r.tokens.prompt;
    n.completion = r.tokens.completion;
    n.cached = r.tokens.cached;
    n.reasoning = r.tokens.reasoning;
    n.price_nanos = r.price_nanos;
    n.seconds = static_cast<double>(r.duration_us) * 1e-6;
    if (streams_ && r.first_byte_us != 0) n.first_token_seconds = static_cast<double>(r.first_byte_us) * 1e-6;
    n.token_seconds = static_cast<double>(r.token_us) * 1e-6;
    worker_.stats().count_usage(n);
}

void exchange::note_error() {
    const auto& shared = *snapshot_->shared;
    recent_errors::entry e;
    e.at = wall_clock::now();
    e.status = status_;
    e.code = failure_word();
    if (client_) e.client = shared.clients[*client_].name;
    if (pool_) e.pool = the_pool().name;
    if (serving_ != nullptr) e.backend = serving_->name;
    if (classified_.op != nullptr) e.operation = classified_.op->name;
    e.request_id = request_id();
    worker_.process().errors.add(std::move(e));
}

void exchange::account() {
    const auto& shared = *snapshot_->shared;
    auto& stats = worker_.stats();
    const time_point ended = clock::now();
    const stats::label operation = classified_.op != nullptr ? worker_.label(classified_.op->name) : stats::label{0};
    const stats::label client = client_ ? shared.clients[*client_].label : stats::label{0};
    if (client_left_ && status_ == 0) status_ = 499;
    stats.requests.at({client, pool_label(), operation, worker_.status_label(status_)}).add();
    if (pool_) stats.request_seconds.at({pool_label(), operation}).observe(seconds_between(began_, ended));
    stats.bytes_to_clients.add(bytes_to_client_);
    account_usage(ended);
    settle_quotas({}, ended);
    end_trace();
    end_capture();
    if (usage_.tap) worker_.give_tap(std::move(usage_.tap));
    // Failures are always written; probes of load balancers never, they would be most of the log.
    if (is_probe_) return;
    if (status_ >= 400 || !broken_why_.empty() || shared.access_log_sampled(worker_.random().unit()))
        write_access_log();
    if (status_ >= 500 || status_ == 429 || !broken_why_.empty()) note_error();
}

}  // namespace spillway::proxy
