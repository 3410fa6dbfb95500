#include "page_events.hpp"

#include <boost/asio/write.hpp>
#include <boost/beast/core/error.hpp>

namespace spillway::server {

namespace asio = boost::asio;
namespace beast = boost::beast;
using tcp = asio::ip::tcp;

namespace {

constexpr std::string_view stream_head =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: text/event-stream\r\n"
    "Cache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Connection: close\r\n\r\n"
    ": spillway\nretry: 2000\n\n";

// Many openings in a row share one event.
constexpr auto fresh_for = milliseconds(200);

}  // namespace

class event_streams::stream : public std::enable_shared_from_this<stream> {
public:
    stream(beast::tcp_stream&& connection, duration patience)
        : connection_(std::move(connection)), patience_(patience) {}

    bool over() const noexcept { return over_; }

    void begin(const std::shared_ptr<const std::string>& event) {
        // A client has nothing more to say: whatever comes is its end.
        connection_.socket().async_wait(tcp::socket::wait_read,
                                        [self = shared_from_this()](beast::error_code) { self->close(); });
        write(std::make_shared<const std::string>(std::string(stream_head) + *event));
    }

    void send(const std::shared_ptr<const std::string>& event) {
        if (over_ || writing_) return;
        write(event);
    }

    void close() noexcept {
        if (over_) return;
        over_ = true;
        beast::error_code ignored;
        connection_.socket().shutdown(tcp::socket::shutdown_both, ignored);
        connection_.close();
    }

private:
    void write(std::shared_ptr<const std::string> text) {
        writing_ = true;
        text_ = std::move(text);
        connection_.expires_after(patience_);
        asio::async_write(connection_, asio::buffer(*text_),
                          [self = shared_from_this()](beast::error_code ec, std::size_t) {
                              self->writing_ = false;
                              self->text_.reset();
                              self->connection_.expires_never();
                              if (ec) self->close();
                          });
    }

    beast::tcp_stream connection_;
    duration patience_;
    std::shared_ptr<const std::string> text_;
    bool writing_{false}, over_{false};
};

event_streams::event_streams(asio::io_context& io, std::function<std::string()> make_data)
    : event_streams(io, std::move(make_data), pace{}) {}

event_streams::event_streams(asio::io_context& io, std::function<std::string()> make_data, pace times)
    : timer_(io), make_data_(std::move(make_data)), pace_(times) {}

bool event_streams::full() {
    prune();
    return open_.size() >= most;
}

void event_streams::prune() {
    std::erase_if(open_, [](const auto& s) { return s->over(); });
}

const std::shared_ptr<const std::string>& event_streams::fresh_event() {
    event_ = std::make_shared<const std::string>("event: status\ndata: " + make_data_() + "\n\n");
    made_ = clock::now();
    return event_;
}

void event_streams::add(beast::tcp_stream&& connection) {
    const auto& event = event_ && clock::now() - made_ < fresh_for ? event_ : fresh_event();
    open_.push_back(std::make_shared<stream>(std::move(connection), pace_.patience));
    open_.back()->begin(event);
    if (!ticking_) schedule();
}

void event_streams::schedule() {
    ticking_ = true;
    timer_.expires_after(pace_.every);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
        if (const auto self = weak.lock(); self && !ec) self->tick();
    });
}

void event_streams::tick() {
    prune();
    if (open_.empty()) {
        ticking_ = false;
        event_.reset();
        return;
    }
    const auto& event = fresh_event();
    for (const auto& s : open_) s->send(event);
    schedule();
}

void event_streams::close_all() noexcept {
    for (const auto& s : open_) s->close();
    open_.clear();
}

}  // namespace spillway::server
