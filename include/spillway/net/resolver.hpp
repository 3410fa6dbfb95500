#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <spillway/base/time.hpp>
#include <spillway/net/address.hpp>
#include <spillway/net/dns.hpp>
#include <spillway/net/name_schedule.hpp>

namespace spillway::net {

// Name resolution off the workers' loops, repeated for as long as the name is watched. One thread with a loop of its
// own drives c-ares: nothing in it blocks, so names do not wait for each other, and the end does not wait for any. A
// name that stops resolving keeps its last addresses; one that never did reports an empty list.
class resolver {
public:
    // Called on the resolver's thread after a look-up whose answer is new, and after the first one in any case.
    using listener = std::function<void(const std::string& host, const address_list& found)>;

    explicit resolver(listener tell);
    ~resolver();
    resolver(const resolver&) = delete;
    resolver& operator=(const resolver&) = delete;

    // Replaces the set of watched names; names that stay keep what is known about them. A name that is known already
    // is reported again at once.
    void watch(const std::map<std::string, duration>& refresh_by_host);
    // Which name servers all resolvers of the process ask from now on: one machine, one resolv.conf. Names that fail
    // are looked up again at once.
    static void ask(dns_settings from);

    std::vector<name_report> report() const;

    // Look-ups of all resolvers of the process that have ended.
    struct counts {
        std::uint64_t found{0}, none{0}, failed{0};
    };
    static counts ended() noexcept;

private:
    struct workplace;
    void work();
    void go_on();
    void begin();
    bool end();
    void wake() noexcept;

    listener tell_;
    mutable std::mutex mutex_;  // of the next three
    bool stopping_{false}, changed_{false};
    name_schedule schedule_;
    std::atomic<bool> woken_{false};
    std::unique_ptr<workplace> here_;  // of the thread, but for its loop's post() and stop()
    std::thread thread_;
};

}  // namespace spillway::net
