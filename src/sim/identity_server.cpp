#include "identity_server.hpp"

#include <cstdio>

#include "fault_answer.hpp"

namespace spillway::sim {

result<net::address> identity_server::open(const std::string& address) {
    const auto at = net::address::parse(address);
    if (!at) return at.error();
    const auto fd = net::listen_on(*at, false);
    if (!fd) return fd.error();
    accepting_ = std::make_unique<net::acceptor>(all_.loop, *fd, [this](int connected, const net::address&) {
        net::spawn(serve(connected), [](const std::exception_ptr& e) {
            if (e) std::fputs("spillway-sim: an identity connection ended by an unexpected failure\n", stderr);
        });
    });
    return net::local_address(*fd);
}

net::task<> identity_server::serve(int fd) {
    net::stream io(all_.loop);
    net::interrupt gone;  // fired when the client leaves while it waits for us
    io.events().idle_context = &gone;
    io.events().on_idle = [](net::watch& w) noexcept {
        if (w.hung_up) static_cast<net::interrupt*>(w.idle_context)->fire();
    };
    io.open(fd);
    if (tls_) {
        SSL* ssl = SSL_new(tls_.get());
        SSL_set_accept_state(ssl);
        io.start_tls(ssl);
        const net::io_result r = co_await io.handshake(clock::now() + seconds(30));
        if (!r.ok()) co_return;
    }
    request_reader reader(io, all_.slabs);
    for (bool more = true; more;) more = co_await serve_one(io, reader, gone);
    io.close(true);
}

// True when the connection can take another request.
net::task<bool> identity_server::serve_one(net::stream& io, request_reader& reader, net::interrupt& gone) {
    request r;
    const request_end end = co_await reader.read(r, clock::now() + minutes(10), nullptr);
    if (end != request_end::complete && end != request_end::refused) co_return false;
    const bool refused = end == request_end::refused;
    identity_reply reply;
    if (refused) reply.what = error_answer(reader.refusal_status(), "BadRequest", reader.refusal());
    else reply = at_.handle(r);
    if (reply.hang || reply.delay > duration::zero()) {
        const time_point until = reply.hang ? time_point::max() : clock::now() + reply.delay;
        if (io.events().hung_up) co_return false;
        const net::wake w = co_await net::sleep_until(all_.loop, until, &gone);
        if (w == net::wake::interrupted) co_return false;
    }
    const bool more = !refused && r.keep_alive;
    const answer& a = reply.what;
    const std::string body = a.pieces.empty() ? std::string() : a.pieces.front().bytes;
    header_list headers{{"Date", http_date(wall_clock::now())},
                        {"Content-Type", a.content_type},
                        {"Content-Length", std::to_string(body.size())}};
    headers.insert(headers.end(), a.headers.begin(), a.headers.end());
    if (!more) headers.emplace_back("Connection", "close");
    const std::string whole = head_text(a.status, headers) + body;
    const net::io_result w = co_await io.write_all(whole, clock::now() + minutes(1));
    co_return w.ok() && more;
}

}  // namespace spillway::sim
