#include "admin_door.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <optional>

namespace spillway::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using tcp = asio::ip::tcp;

constexpr auto first_request = seconds(5), next_request = seconds(60);
constexpr auto accept_pause = milliseconds(50);
// A worker that is busy for longer is told of by spillway_loop_longest_round_seconds.
constexpr auto longest_follow = seconds(5);

bool out_of_descriptors(const beast::error_code& ec) noexcept {
    return ec == beast::errc::too_many_files_open || ec == beast::errc::too_many_files_open_in_system;
}

}  // namespace

class admin_door::guest : public std::enable_shared_from_this<guest> {
public:
    guest(tcp::socket s, std::shared_ptr<admin_door> of)
        : stream_(std::move(s)), timer_(stream_.get_executor()), door_(std::move(of)), to_(door_->to_) {
        place_ = door_->guests_.insert(door_->guests_.end(), this);
    }
    ~guest() { door_->guests_.erase(place_); }
    guest(const guest&) = delete;
    guest& operator=(const guest&) = delete;

    void read() {
        silent_since_ = clock::now();
        silent_ = true;
        parser_.emplace();
        parser_->header_limit(16 * 1024);
        parser_->body_limit(64 * 1024);
        stream_.expires_after(known_ ? next_request : first_request);
        bhttp::async_read(stream_, buffer_, *parser_,
                          [self = shared_from_this()](beast::error_code ec, std::size_t) { self->on_read(ec); });
    }
    // Who gives way first: strangers before those who have shown a key, then the one silent longer.
    bool gives_way_before(const guest& other) const noexcept {
        if (known_ != other.known_) return !known_;
        return silent_since_ < other.silent_since_;
    }
    bool silent() const noexcept { return silent_; }
    void leave() {
        silent_ = false;
        stream_.close();
    }

private:
    void on_read(beast::error_code ec) {
        silent_ = false;
        if (ec) return end();
        const request r = parser_->release();
        known_ = known_ || to_->knows(r);
        if (to_->take_over(r, stream_)) return;
        response_ = to_->answer(r);
        response_.version(r.version());
        response_.keep_alive(r.keep_alive());
        const bool head = r.method() == bhttp::verb::head;
        response_.prepare_payload();
        if (head) response_.body().clear();
        // A change of configuration is answered when it serves.
        write_when_followed(r.method() == bhttp::verb::post ? clock::now() + longest_follow : time_point{});
    }
    void write_when_followed(time_point late) {
        if (clock::now() >= late || to_->followed()) return write();
        timer_.expires_after(milliseconds(1));
        timer_.async_wait([self = shared_from_this(), late](beast::error_code ec) {
            if (!ec) self->write_when_followed(late);
        });
    }
    void write() {
        stream_.expires_after(next_request);
        bhttp::async_write(stream_, response_, [self = shared_from_this()](beast::error_code e, std::size_t) {
            if (e || !self->response_.keep_alive()) return self->end();
            self->read();
        });
    }
    void end() {
        beast::error_code ignored;
        stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    }

    beast::tcp_stream stream_;
    asio::steady_timer timer_;
    std::shared_ptr<admin_door> door_;
    std::shared_ptr<const callbacks> to_;
    std::list<guest*>::iterator place_;
    beast::flat_buffer buffer_;
    std::optional<bhttp::request_parser<bhttp::string_body>> parser_;
    response response_;
    time_point silent_since_{};
    bool known_{false}, silent_{false};
};

void admin_door::open(callbacks to) {
    to_ = std::make_shared<const callbacks>(std::move(to));
    accept();
}

void admin_door::close() noexcept {
    beast::error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    to_.reset();
}

void admin_door::accept() {
    acceptor_.async_accept(
        [self = shared_from_this()](beast::error_code ec, tcp::socket s) { self->on_accepted(ec, std::move(s)); });
}

void admin_door::on_accepted(beast::error_code ec, tcp::socket s) {
    if (ec == asio::error::operation_aborted || !is_open()) return;
    // A descriptor is held back for this accept(). When all are lent, a silent guest gives way.
    if (out_of_descriptors(ec) && (reserve_.lend(1) || make_room())) return accept();
    if (ec) {
        pause_.expires_after(accept_pause);
        pause_.async_wait([self = shared_from_this()](beast::error_code e) {
            if (!e && self->is_open()) self->accept();
        });
        return;
    }
    if (guests_.size() < most_guests || make_room())
        std::make_shared<guest>(std::move(s), shared_from_this())->read();
    accept();
}

// False: all of them are being answered.
bool admin_door::make_room() {
    guest* out = nullptr;
    for (auto* g : guests_)
        if (g->silent() && (out == nullptr || g->gives_way_before(*out))) out = g;
    if (out != nullptr) out->leave();
    return out != nullptr;
}

}  // namespace spillway::server
