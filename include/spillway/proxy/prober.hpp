#pragma once

#include <list>
#include <memory>

#include <spillway/net/loop.hpp>
#include <spillway/net/task.hpp>
#include <spillway/proxy/snapshot.hpp>

namespace spillway::proxy {

class worker_tools;

// Asks backends whether they work, without a client, on the loop of one worker and through its upstreams. A caller
// has taken the right to from the backend's probe_state. Belongs to the loop's thread.
class prober {
public:
    explicit prober(worker_tools& w) noexcept : worker_(w) {}
    prober(const prober&) = delete;
    prober& operator=(const prober&) = delete;

    void ask(const std::shared_ptr<worker_snapshot>& by, std::size_t pool, std::size_t backend);
    // Ends what runs; nothing begins any more.
    void stop() noexcept;

private:
    net::task<void> run(std::shared_ptr<worker_snapshot> by, std::size_t pool, std::size_t backend,
                        net::interrupt& end);
    net::task<core::outcome> ask_backend(worker_snapshot& s, const pool& p, const backend& b, net::interrupt& end);
    void tell(const snapshot& s, const backend& b, const core::probe_judgement& j, const core::outcome& o);

    worker_tools& worker_;
    std::list<net::interrupt> running_;
    bool stopped_{false};
};

}  // namespace spillway::proxy
