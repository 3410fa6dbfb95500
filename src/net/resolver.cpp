#include <spillway/net/resolver.hpp>

#include <netdb.h>

#include <algorithm>

namespace spillway::net {
namespace {

address_list look_up(const std::string& host) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
    if (code == EAI_NONAME || code == EAI_ADDRFAMILY || code == EAI_NODATA) {
        // AI_ADDRCONFIG hides ::1 and 127.0.0.1 on a machine that has no other address.
        hints.ai_flags = 0;
        code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
    }
    address_list out;
    if (code != 0) return out;
    for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
        address one(a->ai_addr, a->ai_addrlen);
        if (std::find(out.begin(), out.end(), one) == out.end()) out.push_back(one);
    }
    ::freeaddrinfo(found);
    return out;
}

}  // namespace

resolver::resolver(listener tell, unsigned threads) : tell_(std::move(tell)) {
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

resolver::~resolver() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    for (auto& t : threads_) t.join();
}

void resolver::watch(const std::map<std::string, duration>& refresh_by_host) {
    std::vector<std::pair<std::string, address_list>> known;
    {
        const std::lock_guard lock(mutex_);
        std::erase_if(hosts_, [&](const auto& h) { return !refresh_by_host.contains(h.first); });
        for (const auto& [host, refresh] : refresh_by_host) {
            entry& e = hosts_[host];
            e.refresh = refresh;
            if (e.known) known.emplace_back(host, e.last);
        }
    }
    for (const auto& [host, list] : known) tell_(host, list);
    wake_.notify_all();
}

void resolver::work() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        const time_point now = clock::now();
        time_point next = now + hours(1);
        std::string host;
        for (auto& [name, e] : hosts_) {
            if (e.busy) continue;
            if (e.next <= now) {
                host = name;
                e.busy = true;
                break;
            }
            next = std::min(next, e.next);
        }
        if (host.empty()) {
            wake_.wait_until(lock, next);
            continue;
        }
        lock.unlock();
        wake_.notify_one();  // there may be more to do than this thread can
        address_list found = look_up(host);
        const bool failed = found.empty();
        finish(host, std::move(found), failed);
        lock.lock();
    }
}

void resolver::finish(const std::string& host, address_list found, bool failed) {
    {
        const std::lock_guard lock(mutex_);
        const auto at = hosts_.find(host);
        if (at == hosts_.end()) return;
        entry& e = at->second;
        e.busy = false;
        // A failure is tried again soon, a success when it is due.
        e.next = clock::now() + (failed ? std::min<duration>(e.refresh, seconds(2)) : e.refresh);
        if (e.known && (failed || std::is_permutation(found.begin(), found.end(), e.last.begin(), e.last.end())))
            return;
        e.known = true;
        e.last = found;
    }
    tell_(host, found);
}

}  // namespace spillway::net
