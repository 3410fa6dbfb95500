#include "generator.hpp"

#include <sys/timerfd.h>

#include <system_error>

namespace spillway::bench {
namespace {

constexpr std::uint32_t connecting_at_once = 64;  // a thousand handshakes at a time measure the backlog

net::endpoint endpoint_of(const load_options& o, net::ssl_ctx_ptr tls) {
    net::endpoint to;
    to.host = o.host;
    to.port = o.to.port();
    to.tls = std::move(tls);
    to.tls_name = o.tls_name;
    return to;
}

net::upstream_limits limits_of(const load_options& o) {
    net::upstream_limits l;
    l.connect_timeout = o.timeout;
    l.max_age = hours(1);
    return l;
}

const char* name_of(net::connect_error e) {
    switch (e) {
        case net::connect_error::tls: return "tls";
        case net::connect_error::timed_out: return "connect timeout";
        default: return "connect";
    }
}

const char* name_of(const net::io_result& r, bool reading) {
    switch (r.status) {
        case net::io_status::closed: return "closed early";
        case net::io_status::timed_out: return "timeout";
        default: return reading ? "reset" : "write";
    }
}

}  // namespace

struct generator::worker {
    explicit worker(net::loop& l) : waiting(l) {}
    net::waiter waiting;
    std::unique_ptr<net::upstream_connection> connection;
    message_reader reader;
    time_point due{};
    bool counted_open{false};
};

// Waits until a request is due, for the load at a fixed rate.
struct generator::next_job {
    generator& g;
    worker& w;
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> h) {
        if (!g.overdue_.empty()) {
            w.due = g.overdue_.front();
            g.overdue_.pop_front();
            return false;
        }
        if (g.finished_) {
            w.due = time_point::max();
            return false;
        }
        g.idle_.push_back(&w);
        w.waiting.suspend(h, time_point::max(), nullptr);
        return true;
    }
    time_point await_resume() const noexcept { return w.due; }
};

generator::generator(net::loop& l, const load_options& o, net::ssl_ctx_ptr tls)
    : loop_(l), options_(o), upstream_(l, endpoint_of(o, std::move(tls)), limits_of(o)), buffer_(64 * 1024) {
    upstream_.set_addresses({o.to});
    for (std::uint32_t i = 0; i < o.connections; ++i) workers_.push_back(std::make_unique<worker>(l));
}

generator::~generator() = default;

void generator::run(void (*tell)(const char* stage)) {
    tell_ = tell;
    begin_ = clock::now();
    end_ = begin_ + options_.warm_up + options_.length;
    if (options_.warm_up == duration::zero()) begin_measurement();
    running_ = static_cast<std::uint32_t>(workers_.size());
    loop_.post([this] {
        for (auto& w : workers_) net::spawn(work(*w), [this](const std::exception_ptr&) { worker_ended(); });
        if (options_.rate > 0) net::spawn(pace(), [](const std::exception_ptr&) {});
        net::spawn(keep_time(), [](const std::exception_ptr&) {});
    });
    loop_.run();
}

bool generator::over() const noexcept {
    return finished_ || (options_.requests != 0 && started_ >= options_.requests);
}

void generator::worker_ended() noexcept {
    if (--running_ > 0) return;
    totals_.elapsed = clock::now() - begin_;
    loop_.stop();
}

net::task<> generator::work(worker& w) {
    while (connecting_ >= connecting_at_once) co_await net::sleep_until(loop_, loop_.now() + milliseconds(10));
    ++connecting_;
    std::string failed = co_await connect(w);
    --connecting_;
    if (!failed.empty()) ++totals_.failures[failed];
    if (options_.hold) {
        if (failed.empty()) co_await exchange(w, clock::now());
    } else if (options_.rate > 0) {
        for (;;) {
            next_job job{*this, w};
            const time_point due = co_await job;
            if (due == time_point::max()) break;
            co_await exchange(w, due);
        }
    } else {
        while (!over()) {
            ++started_;
            co_await exchange(w, clock::now());
        }
    }
    if (w.connection) w.connection->io.close(true);
}

net::task<std::string> generator::connect(worker& w) {
    net::connect_result r = co_await upstream_.acquire(true, options_.timeout, nullptr);
    w.connection = std::move(r.connection);
    std::string failed;
    if (!w.connection) {
        failed = name_of(r.error);
        // A server that is not there must not make the load spin.
        co_await net::sleep_until(loop_, loop_.now() + milliseconds(20));
    } else if (SSL* ssl = w.connection->io.ssl(); ssl != nullptr && tls_description_.empty()) {
        tls_description_ = std::string(SSL_get_version(ssl)) + ' ' + SSL_get_cipher_name(ssl);
    }
    co_return failed;
}

net::task<> generator::exchange(worker& w, time_point due) {
    if (w.connection && w.connection->io.events().hung_up) {
        w.connection.reset();
        if (measuring_) ++totals_.reconnected;
    }
    bool fresh = !w.connection;
    time_point first_byte{};
    std::string failed;
    for (;;) {
        if (!w.connection) failed = co_await connect(w);
        if (!failed.empty()) break;
        w.reader.reset();
        failed = co_await attempt(w, first_byte);
        if (failed.empty()) break;
        w.connection.reset();
        // Every HTTP client repeats a request whose kept-alive connection turned out to be closed.
        const bool stale =
            !fresh && !w.reader.started() && (failed == "closed early" || failed == "reset" || failed == "write");
        if (!stale) break;
        fresh = true;
        failed.clear();
        if (measuring_) ++totals_.sent_again;
    }
    if (!measuring_) co_return;
    if (!failed.empty()) {
        ++totals_.failures[failed];
        co_return;
    }
    ++totals_.completed;
    totals_.bytes += w.reader.body_bytes();
    totals_.events += w.reader.events().events();
    totals_.latency.record(clock::now() - due);
    totals_.first_byte.record(first_byte - due);
}

net::task<std::string> generator::attempt(worker& w, time_point& first_byte) {
    net::stream& io = w.connection->io;
    const time_point deadline = loop_.now() + options_.timeout;
    std::string failed;
    net::io_result r = co_await io.write_all(options_.request, deadline);
    if (!r.ok()) {
        failed = name_of(r, false);
        co_return failed;
    }
    for (progress p = progress::need_more; p != progress::complete;) {
        r = io.try_read(buffer_);
        if (r.waits()) {
            r = co_await io.wait_for(r.status, deadline, nullptr);
            if (r.ok()) continue;
        }
        if (!r.ok()) {
            failed = name_of(r, true);
            co_return failed;
        }
        const bool first = !w.reader.started();
        p = w.reader.feed({buffer_.data(), r.bytes});
        if (first) first_byte = clock::now();
        if (options_.hold && !w.counted_open && w.reader.events().events() > 0) {
            w.counted_open = true;
            note_open();
        }
        if (p == progress::malformed) {
            failed = "malformed";
            co_return failed;
        }
    }
    if (w.reader.message().close) {
        w.connection->io.close(true);
        w.connection.reset();
    }
    failed = judge(w);
    co_return failed;
}

// Empty when the answer is what was asked for.
std::string generator::judge(const worker& w) const {
    const auto& r = w.reader;
    if (r.status() != 200) return "status " + std::to_string(r.status());
    if (options_.expected_bytes != 0 && r.body_bytes() != options_.expected_bytes) return "wrong length";
    if (options_.expected_events == 0) return {};
    if (!r.events().ended_with_done()) return "stream without [DONE]";
    return r.events().events() == options_.expected_events ? std::string{} : "wrong number of events";
}

void generator::note_open() {
    if (++open_ == workers_.size()) tell_("open");
}

void generator::begin_measurement() {
    totals_ = {};
    begin_ = clock::now();
    measuring_ = true;
    tell_("warm");
}

net::task<> generator::keep_time() {
    if (!measuring_) {
        co_await net::sleep_until(loop_, begin_ + options_.warm_up);
        begin_measurement();
    }
    if (options_.rate > 0 || options_.hold) co_return;  // those end with their last request
    co_await net::sleep_until(loop_, end_);
    finish();
}

void generator::finish() {
    finished_ = true;
    for (auto idle = std::exchange(idle_, {}); auto* w : idle) {
        w->due = time_point::max();
        w->waiting.complete(net::wake::ready);
    }
}

void generator::hand_out(time_point due) {
    if (idle_.empty()) {
        overdue_.push_back(due);
        return;
    }
    worker* w = idle_.front();
    idle_.pop_front();
    w->due = due;
    w->waiting.complete(net::wake::ready);
}

// The wheel's tick is too coarse for a thousand requests a second, so the pace comes from a timer of the kernel.
net::task<> generator::pace() {
    const int fd = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0) throw std::system_error(errno, std::generic_category(), "timerfd");
    net::watch alarm(loop_);
    alarm.open(fd);
    const auto gap = std::chrono::duration_cast<duration>(std::chrono::duration<double>(1.0 / options_.rate));
    for (time_point due = clock::now() + milliseconds(200); due < end_ && !over(); due += gap) {
        while (clock::now() < due) {
            const auto at = due.time_since_epoch();
            itimerspec when{};
            when.it_value.tv_sec = std::chrono::duration_cast<seconds>(at).count();
            when.it_value.tv_nsec = (at % seconds(1)).count();
            alarm.readable = false;
            ::timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, nullptr);
            co_await alarm.wait_readable(due + seconds(1));
        }
        ++started_;
        hand_out(due);
    }
    finish();
}

}  // namespace spillway::bench
