#include <spillway/net/resolver.hpp>

#include <algorithm>
#include <random>
#include <stdexcept>

#include <spillway/base/random.hpp>
#include <spillway/base/threads.hpp>
#include <spillway/net/loop.hpp>

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

struct resolver::workplace {
    explicit workplace(resolver& r) : next([](void* self) noexcept { static_cast<resolver*>(self)->go_on(); }, &r) {}

    loop events;
    std::map<std::string, std::unique_ptr<name_query>> open;
    timer next;  // when the schedule has another name to look up
    random_source random{std::random_device()()};
};

resolver::counts resolver::ended() noexcept { return {ended_found.load(), ended_none.load(), ended_failed.load()}; }

resolver::resolver(listener tell) : tell_(std::move(tell)), here_(std::make_unique<workplace>(*this)) {
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
    here_->events.stop();
    thread_.join();
}

// Any thread. What happens meanwhile is seen by the same round.
void resolver::wake() noexcept {
    if (woken_.exchange(true)) return;
    here_->events.post([this] {
        woken_ = false;
        go_on();
    });
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
    here_->events.run();
    here_->open.clear();
}

// After each thing that may have changed what is to be done.
void resolver::go_on() {
    do begin();
    while (end());  // numbers, and names of the hosts file, are known at once
    const time_point now = clock::now();
    const std::lock_guard lock(mutex_);
    here_->events.wheel().schedule(here_->next, schedule_.wake(now));
}

// Begins what is due, and forgets names no longer watched.
void resolver::begin() {
    auto& open = here_->open;
    std::vector<std::string> due;
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
        if (std::exchange(changed_, false)) open.clear();
        std::erase_if(open, [this](const auto& one) { return !schedule_.under_way(one.first); });
        const time_point now = clock::now();
        while (auto host = schedule_.next(now)) due.push_back(std::move(*host));
    }
    if (due.empty()) return;
    const std::string servers = [] {
        const std::lock_guard lock(us().mutex);
        return us().servers;
    }();
    for (const auto& host : due)
        open[host] = std::make_unique<name_query>(here_->events, host, servers, [this] { wake(); });
}

// Tells what the look-ups that have ended have brought. False: none has.
bool resolver::end() {
    auto& open = here_->open;
    bool any = false;
    for (auto at = open.begin(); at != open.end();) {
        if (!at->second->done()) {
            ++at;
            continue;
        }
        any = true;
        const std::string host = at->first;
        auto answer = at->second->take();
        at = open.erase(at);
        count(answer.what);
        address_list found;
        {
            const std::lock_guard lock(mutex_);
            if (changed_ || !schedule_.finish(host, std::move(answer), clock::now(), here_->random.unit())) continue;
            found = *schedule_.addresses(host);
        }
        tell_(host, found);
    }
    return any;
}

}  // namespace spillway::net
