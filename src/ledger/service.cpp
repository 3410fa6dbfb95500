#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "open_with.hpp"

namespace spillway::ledger {
namespace {

constexpr auto keeper_poll = milliseconds(25);
constexpr auto sync_every = seconds(1);
constexpr auto after_exception = seconds(1);

// Two threads: the carrier may wait for the store as long as it likes, the keeper goes on laying segments ready.
class threaded_service final : public service {
public:
    threaded_service(opening with, std::unique_ptr<spool> from, store_opener open_store,
                     std::function<void(std::string)> alarm)
        : settings_(std::move(with.settings)),
          spool_(std::move(from)),
          spent_(spool_->spent().running(wall_clock::now())),
          carrier_(*spool_, {settings_.store, std::move(with.password), settings_.retention}, std::move(open_store),
                   alarm),
          alarm_(std::move(alarm)) {
        if (const auto n = spool_->spent().impossible(); n > 0 && alarm_)
            alarm_("usage: " + std::to_string(n) +
                   " records or sums in the spool tell what nobody can have spent; budgets begin without them. "
                   "`spillway usage --repair` puts the store right");
        keeping_ = std::thread([this] { keep(); });
        carrying_ = std::thread([this] { carry(); });
    }
    ~threaded_service() override { stop({}); }

    spool_writer& writer(std::size_t index) noexcept override { return spool_->writer(index); }

    ledger::report report() const override {
        const auto s = carrier_.now();
        ledger::report r;
        r.store_up = s.up;
        {
            const std::lock_guard lock(mutex_);
            r.store = settings_.store;
        }
        r.last_error = s.last_error;
        r.written = s.written;
        r.store_failures = s.failures;
        r.refused = s.refused;
        r.aside = s.aside;
        r.oldest_aside_seconds = age_of(s.aside.oldest_us);
        r.waiting = spool_->waiting();
        r.lost = spool_->lost();
        r.spool_bytes = spool_->bytes();
        r.spool_limit = spool_->limit();
        r.spool_full = spool_->full();
        if (r.waiting != 0) r.oldest_waiting_seconds = age_of(s.oldest_us);
        return r;
    }

    std::optional<fault> configure(const config::usage& next, const std::string& password) override {
        const std::lock_guard lock(mutex_);
        if (next.spool != settings_.spool)
            return fault{spool_fault, origin::gateway, 500, "usage.spool cannot change without a restart"};
        settings_ = next;
        spool_->limit(next.spool_limit);
        next_destination_ = destination{next.store, password, next.retention};
        wake_.notify_all();
        return std::nullopt;
    }

    std::map<std::string, ledger::spent> spent_at_start() const override { return spent_; }
    std::map<std::string, ledger::spent> spent_now() const override {
        return spool_->spent_now().running(wall_clock::now());
    }

    void stop(duration within) override {
        {
            const std::lock_guard lock(mutex_);
            if (stopping_) return;
            stopping_ = true;
            give_up_at_ = clock::now() + within;
            wake_.notify_all();
        }
        carrying_.join();
        {
            const std::lock_guard lock(mutex_);
            carried_ = true;
            wake_.notify_all();
        }
        keeping_.join();
    }

private:
    static double age_of(std::int64_t us) {
        if (us == 0) return 0;
        const auto age = wall_clock::now().time_since_epoch() - microseconds(us);
        return std::max(0.0, std::chrono::duration<double>(age).count());
    }

    void keep() {
        auto sync_at = clock::now() + sync_every;
        for (std::unique_lock lock(mutex_); !carried_;) {
            wake_.wait_for(lock, keeper_poll, [this] { return carried_; });
            lock.unlock();
            const auto now = clock::now();
            const bool sync = now >= sync_at;
            if (sync) sync_at = now + sync_every;
            guarded([&] { spool_->tend(now, sync); });
            lock.lock();
        }
    }

    void carry() {
        std::unique_lock lock(mutex_);
        for (bool last_try = false; !stopping_ || clock::now() < give_up_at_;) {
            if (next_destination_) carrier_.go_to(*std::exchange(next_destination_, std::nullopt));
            const bool stopping = stopping_;
            lock.unlock();
            if (stopping && !std::exchange(last_try, true)) carrier_.hurry();
            duration pause = after_exception;
            guarded([&] { pause = carrier_.step(clock::now(), wall_clock::now()); });
            lock.lock();
            if (stopping && (carrier_.away() || spool_->waiting() == 0)) break;
            if (!stopping) wake_.wait_for(lock, pause, [this] { return stopping_ || next_destination_.has_value(); });
        }
        lock.unlock();
        guarded([&] { carrier_.finish(wall_clock::now()); });
    }

    // Out of memory, say: the thread has to live on.
    template <class F>
    void guarded(F f) {
        try {
            f();
        } catch (const std::exception& e) {
            alarm_(std::string("the usage ledger stumbled: ") + e.what());
        }
    }

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    config::usage settings_;
    std::unique_ptr<spool> spool_;
    std::map<std::string, ledger::spent> spent_;
    carrier carrier_;
    std::function<void(std::string)> alarm_;
    std::optional<destination> next_destination_;
    bool stopping_{false}, carried_{false};
    time_point give_up_at_{};
    std::thread keeping_, carrying_;
};

}  // namespace

result<std::unique_ptr<service>> open_with(opening with, store_opener open_store) {
    // Two threads may have something to tell; the listener hears one at a time.
    auto alarm = [listener = with.alarm, one = std::make_shared<std::mutex>()](std::string what) {
        const std::lock_guard lock(*one);
        if (listener) listener(std::move(what));
    };
    auto opened = spool::open({with.settings.spool, with.settings.spool_limit, with.writers, alarm});
    if (!opened) return opened.error();
    return std::unique_ptr<service>(
        new threaded_service(std::move(with), std::move(*opened), std::move(open_store), std::move(alarm)));
}

result<std::unique_ptr<service>> open(opening with) { return open_with(std::move(with), open_store); }

}  // namespace spillway::ledger
