#include "sender.hpp"

#include <algorithm>
#include <random>

#include <spillway/core/told_time.hpp>

#include "otlp_json.hpp"

namespace spillway::trace {

using verdict_kind = verdict::kind;

verdict judge(const result<net::fetched>& answer, wall_time now) {
    verdict out;
    if (!answer) {
        out.reason = answer.error().message;
        return out;
    }
    const int status = answer->status;
    if (status >= 200 && status < 300) {
        out.what = verdict_kind::accepted;
        out.rejected = otlp_rejected(answer->body);
        return out;
    }
    out.reason = "the collector answers " + std::to_string(status);
    // These alone mean "later" in OTLP.
    if (status == 429 || (status >= 502 && status <= 504)) {
        out.told = core::told_time({.retry_after = answer->retry_after}, status, now);
        return out;
    }
    out.what = verdict_kind::lost;
    out.trouble = "refused";
    return out;
}

sender::sender(net::loop& l, const opening& from, std::string url, net::ssl_ctx_ptr tls, span_queue& from_workers,
               counters& count)
    : loop_(l),
      limits_(from.limits),
      alarm_(from.alarm),
      opening_(otlp_opening(from)),
      queue_(from_workers),
      count_(count),
      random_(std::random_device()()),
      fetcher_(l) {
    request_.method = "POST";
    request_.url = std::move(url);
    request_.tls = std::move(tls);
    request_.most_bytes = 64 * 1024;
    request_.fields.emplace_back("Content-Type", "application/json");
    fetcher_.use_proxies(from.proxies);
    for (const auto& h : from.headers) request_.fields.emplace_back(h.name, h.value);
}

void sender::end() noexcept {
    ending_ = true;
    loop_.wheel().schedule(time_over_, clock::now() + limits_.flush);
    hurry_.fire();
    wake_.fire();
}

net::task<> sender::run() {
    while (!cut_.fired()) {
        if (taken_.size() < limits_.batch) {
            co_await wait_for_work();
            queue_.take_all(taken_);
        }
        if (taken_.empty()) {
            if (ending_) co_return;
            continue;
        }
        const auto end = taken_.begin() + static_cast<std::ptrdiff_t>(std::min(limits_.batch, taken_.size()));
        std::vector<span> batch(std::make_move_iterator(taken_.begin()), std::make_move_iterator(end));
        taken_.erase(taken_.begin(), end);
        co_await send(std::move(batch));
    }
    queue_.take_all(taken_);
    if (!taken_.empty())
        lose(taken_.size(), {.what = verdict_kind::lost, .reason = "the gateway ends before all was sent"});
    taken_.clear();
}

// Batches are worth waiting for, up to a point.
net::task<> sender::wait_for_work() {
    const auto dropped = count_.dropped.load(std::memory_order_relaxed);
    if (dropped != told_drops_) tell("overflow", "spans come faster than the collector takes them; some are dropped");
    told_drops_ = dropped;
    // The queue counts what was taken from it until it is given back. A wake may be one for spans that have gone
    // already: the size alone decides.
    const auto until = clock::now() + limits_.every;
    while (!ending_ && queue_.size() < limits_.batch && clock::now() < until) {
        co_await net::sleep_until(loop_, until, &wake_);
        wake_.reset();
    }
}

net::task<> sender::send(std::vector<span> batch) {
    std::size_t bytes = 0;
    for (const auto& s : batch) bytes += weight_of(s);
    request_.body = otlp_request(opening_, batch);
    const std::size_t spans = batch.size();
    batch = {};
    for (unsigned attempt = 1;; ++attempt) {
        request_.timeout = limits_.timeout;
        const auto answer = co_await fetcher_.fetch(request_, &cut_);
        const verdict v = judge(answer, wall_clock::now());
        if (v.what == verdict_kind::accepted) {
            const auto rejected = std::min<std::uint64_t>(v.rejected, spans);
            count_.exported += spans - rejected;
            const std::lock_guard lock(error_mutex_);
            last_error_.clear();
            if (rejected == 0) told_.clear();
            count_.dropped += rejected;
            told_drops_ += rejected;
            if (rejected != 0) last_error_ = "the collector refused some spans of a batch";
            break;
        }
        ++count_.failures;
        {
            const std::lock_guard lock(error_mutex_);
            last_error_ = v.reason;
        }
        if (v.what == verdict_kind::lost || attempt >= limits_.tries || ending_) {
            lose(spans, v);
            break;
        }
        co_await net::sleep_until(loop_, clock::now() + pause_before(attempt + 1, v), &hurry_);
    }
    request_.body.clear();
    queue_.give_back(spans, bytes);
}

// Doubles each time; half of it is chance, so that gateways do not come back together.
duration sender::pause_before(unsigned next_try, const verdict& last) {
    if (last.told) return std::min(*last.told, limits_.longest_pause);
    const duration full = std::min(limits_.first_pause * (1 << std::min(next_try - 2, 16U)), limits_.longest_pause);
    return full / 2 + std::chrono::duration_cast<duration>(full / 2 * random_.unit());
}

void sender::lose(std::size_t spans, const verdict& why) {
    count_.dropped += spans;
    told_drops_ += spans;
    tell(why.trouble, why.reason + "; spans are dropped");
}

void sender::tell(std::string_view what, const std::string& words) {
    if (!told_.emplace(what).second || !alarm_) return;
    alarm_("traces: " + words);
}

std::string sender::last_error() const {
    const std::lock_guard lock(error_mutex_);
    return last_error_;
}

}  // namespace spillway::trace
