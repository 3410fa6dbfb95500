#include <spillway/net/resolver.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <system_error>

#include <spillway/base/random.hpp>
#include <spillway/base/threads.hpp>

#include "name_query.hpp"

namespace spillway::net {
namespace {

std::atomic<std::uint64_t> ended_found{0}, ended_none{0}, ended_failed{0};

void count(name_answer::kind what) noexcept {
    auto& of = what == name_answer::kind::found  ? ended_found
               : what == name_answer::kind::none ? ended_none
                                                 : ended_failed;
    of.fetch_add(1, std::memory_order_relaxed);
}

// All resolvers of the process, and whom they ask.
struct everybody {
    std::mutex mutex;
    std::vector<resolver*> all;
    dns_settings settings;
    std::string servers;  // as c-ares reads them
};
everybody& us() {
    static everybody e;
    return e;
}

std::string as_list(const dns_settings& from) {
    std::string out;
    for (const auto& s : from.servers) out += (out.empty() ? "" : ",") + s.to_string();
    return out;
}

}  // namespace

struct resolver::queries {
    std::map<std::string, std::unique_ptr<name_query>> open;
    std::vector<pollfd> fds;
    time_point until;
    random_source random{std::random_device()()};
};

resolver::counts resolver::ended() noexcept { return {ended_found.load(), ended_none.load(), ended_failed.load()}; }

resolver::resolver(listener tell) : tell_(std::move(tell)), event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (event_ < 0) throw std::system_error(errno, std::generic_category(), "resolver");
    static const int library = ares_library_init(ARES_LIB_INIT_ALL);
    if (library != ARES_SUCCESS) throw std::runtime_error(ares_strerror(library));
    thread_ = std::thread([this] { work(); });
    const std::lock_guard lock(us().mutex);
    us().all.push_back(this);
}

resolver::~resolver() {
    {
        const std::lock_guard lock(us().mutex);
        std::erase(us().all, this);
    }
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake();
    thread_.join();
    ::close(event_);
}

void resolver::wake() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(event_, &one, sizeof one);
}

void resolver::watch(const std::map<std::string, duration>& refresh_by_host) {
    std::vector<std::pair<std::string, address_list>> known;
    {
        const std::lock_guard lock(mutex_);
        schedule_.watch(refresh_by_host, clock::now());
        for (const auto& [host, refresh] : refresh_by_host)
            if (auto list = schedule_.addresses(host)) known.emplace_back(host, std::move(*list));
    }
    for (const auto& [host, list] : known) tell_(host, list);
    wake();
}

void resolver::ask(dns_settings from) {
    const std::lock_guard lock(us().mutex);
    if (from == us().settings) return;
    us().servers = as_list(from);
    us().settings = std::move(from);
    for (auto* r : us().all) {
        {
            const std::lock_guard own(r->mutex_);
            r->schedule_.ask_failed_again(clock::now());
            r->changed_ = true;
        }
        r->wake();
    }
}

std::vector<name_report> resolver::report() const {
    const std::lock_guard lock(mutex_);
    return schedule_.report(clock::now());
}

void resolver::work() {
    block_signals();
    queries q;
    for (;;) {
        {
            const std::lock_guard lock(mutex_);
            if (stopping_) return;
        }
        begin(q);
        end(q);  // numbers, and names of the hosts file, are known at once
        wait(q);
        end(q);
    }
}

// Begins what is due, and forgets names no longer watched.
void resolver::begin(queries& q) {
    std::vector<std::string> due;
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(changed_, false)) q.open.clear();
        std::erase_if(q.open, [this](const auto& one) { return !schedule_.under_way(one.first); });
        const time_point now = clock::now();
        while (auto host = schedule_.next(now)) due.push_back(std::move(*host));
    }
    if (due.empty()) return;
    const std::string servers = [] {
        const std::lock_guard lock(us().mutex);
        return us().servers;
    }();
    for (const auto& host : due) q.open[host] = std::make_unique<name_query>(host, servers, clock::now());
}

void resolver::wait(queries& q) {
    time_point now = clock::now();
    {
        const std::lock_guard lock(mutex_);
        q.until = stopping_ ? now : schedule_.wake(now);
    }
    q.fds.assign(1, {event_, POLLIN, 0});
    std::vector<std::pair<name_query*, std::size_t>> parts;
    for (auto& [host, one] : q.open) {
        parts.emplace_back(one.get(), q.fds.size());
        one->wait_for(q.fds, q.until, now);
    }
    const auto left = std::chrono::ceil<milliseconds>(std::min<duration>(q.until - now, hours(1)));
    ::poll(q.fds.data(), q.fds.size(), static_cast<int>(std::max<long>(0, left.count())));
    std::uint64_t ignored = 0;
    [[maybe_unused]] const auto n = ::read(event_, &ignored, sizeof ignored);
    now = clock::now();
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto last = i + 1 < parts.size() ? parts[i + 1].second : q.fds.size();
        parts[i].first->serve(q.fds.data() + parts[i].second, q.fds.data() + last, now);
    }
}

void resolver::end(queries& q) {
    for (auto at = q.open.begin(); at != q.open.end();) {
        if (!at->second->done()) {
            ++at;
            continue;
        }
        const std::string host = at->first;
        auto answer = at->second->take();
        at = q.open.erase(at);
        count(answer.what);
        address_list found;
        {
            const std::lock_guard lock(mutex_);
            if (changed_ || !schedule_.finish(host, std::move(answer), clock::now(), q.random.unit())) continue;
            found = *schedule_.addresses(host);
        }
        tell_(host, found);
    }
}

}  // namespace spillway::net
