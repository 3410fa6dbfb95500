#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <list>
#include <memory>

#include <spillway/base/time.hpp>
#include <spillway/server/process.hpp>

namespace spillway::server {

// Accepts the operators' connections and reads requests from them. Strangers may connect too, so: 5 s of silence
// end a connection, the one that has been silent longest gives way to a newcomer, and descriptors are
// held back for when clients have all others.
class admin_door : public std::enable_shared_from_this<admin_door> {
public:
    using request = boost::beast::http::request<boost::beast::http::string_body>;
    using response = boost::beast::http::response<boost::beast::http::string_body>;

    static constexpr std::size_t most_guests = 64;

    struct callbacks {
        std::function<response(const request&)> answer;
        std::function<bool(const request&)> knows;  // it holds a key, or needs none
        // Takes the connection over, or leaves it as it is.
        std::function<bool(const request&, boost::beast::tcp_stream&)> take_over;
        std::function<bool()> followed;  // what a POST has begun is done everywhere
    };

    admin_door(boost::asio::io_context& io, descriptor_reserve& reserve)
        : acceptor_(io), pause_(io), reserve_(reserve) {}

    boost::asio::ip::tcp::acceptor& acceptor() noexcept { return acceptor_; }
    void open(callbacks to);
    bool is_open() const { return acceptor_.is_open(); }
    void close() noexcept;

private:
    class guest;
    void accept();
    void on_accepted(boost::beast::error_code ec, boost::asio::ip::tcp::socket s);
    bool make_room();

    boost::asio::ip::tcp::acceptor acceptor_;
    boost::asio::steady_timer pause_;
    descriptor_reserve& reserve_;
    std::shared_ptr<const callbacks> to_;  // with the guests as well; they may outlive openings
    std::list<guest*> guests_;             // in the order of arrival
};

}  // namespace spillway::server
