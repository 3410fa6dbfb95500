#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <spillway/base/time.hpp>

namespace spillway::server {

// Streams of server-sent events to open pages. Every second one event, made once for all of them. A page that reads
// slowly misses events: what waits for it is never more than the one that is being written. Main thread.
class event_streams : public std::enable_shared_from_this<event_streams> {
public:
    static constexpr std::size_t most = 16;
    struct pace {
        duration every{seconds(1)};
        duration patience{seconds(10)};  // with a page that takes nothing at all
    };

    event_streams(boost::asio::io_context& io, std::function<std::string()> make_data);
    event_streams(boost::asio::io_context& io, std::function<std::string()> make_data, pace times);

    bool full();
    // Takes the connection over; its request has been read. The first event goes out at once.
    void add(boost::beast::tcp_stream&& connection);
    void close_all() noexcept;

private:
    class stream;
    void schedule();
    void tick();
    void prune();
    const std::shared_ptr<const std::string>& fresh_event();

    boost::asio::steady_timer timer_;
    std::function<std::string()> make_data_;
    pace pace_;
    std::vector<std::shared_ptr<stream>> open_;
    std::shared_ptr<const std::string> event_;
    time_point made_{};
    bool ticking_{false};
};

}  // namespace spillway::server
