#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <spillway/base/time.hpp>
#include <spillway/net/address.hpp>

namespace spillway::net {

// Name resolution off the event loops: getaddrinfo on a few threads of its own, repeated for as long as somebody
// watches the name. A name that stops resolving keeps its last addresses; one that never did reports an empty list.
class resolver {
public:
    // Called on a resolver thread after a look-up whose answer is new, and after the first one in any case.
    using listener = std::function<void(const std::string& host, const address_list& found)>;

    explicit resolver(listener tell, unsigned threads = 2);
    ~resolver();
    resolver(const resolver&) = delete;
    resolver& operator=(const resolver&) = delete;

    // Replaces the set of watched names; names that stay keep what is known about them. A name that is known already
    // is reported again at once.
    void watch(const std::map<std::string, duration>& refresh_by_host);

private:
    struct entry {
        duration refresh{seconds(30)};
        time_point next{};
        bool busy{false}, known{false};
        address_list last;
    };
    void work();
    void finish(const std::string& host, address_list found, bool failed);

    listener tell_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_{false};
    std::map<std::string, entry> hosts_;
    std::vector<std::thread> threads_;
};

}  // namespace spillway::net
