// bench-origin: a backend that costs next to nothing, so that a benchmark measures what stands before it.
#include <sys/prctl.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <iostream>

#include <CLI/CLI.hpp>

#include <spillway/net/acceptor.hpp>
#include <spillway/net/stream.hpp>
#include <spillway/net/tls_context.hpp>

#include "busy_poll.hpp"
#include "message.hpp"
#include "origin_answers.hpp"

namespace spillway::bench {
namespace {

struct settings {
    std::string address{"127.0.0.1:0"}, certificate, key;
    double lifetime{3600};
    bool busy_poll{false};
};

class origin_server {
public:
    origin_server(net::loop& l, net::ssl_ctx_ptr tls) : loop_(l), tls_(std::move(tls)), buffer_(64 * 1024) {}

    void take(int fd) {
        net::spawn(serve(fd), [](const std::exception_ptr&) {});
    }

private:
    net::task<> serve(int fd) {
        net::stream io(loop_);
        io.open(fd);
        if (tls_) {
            SSL* ssl = SSL_new(tls_.get());
            SSL_set_accept_state(ssl);
            io.start_tls(ssl);
            const net::io_result r = co_await io.handshake(loop_.now() + seconds(30));
            if (!r.ok()) co_return;
        }
        message_reader request;
        for (bool more = true; more;) more = co_await answer_one(io, request);
        io.close(true);
    }

    net::task<bool> answer_one(net::stream& io, message_reader& request) {
        const answer* chosen = nullptr;
        request.reset();
        for (progress p = progress::need_more; p != progress::complete;) {
            const net::io_result r = co_await io.read_some(buffer_, time_point::max());
            if (!r.ok()) co_return false;
            p = request.feed({buffer_.data(), r.bytes});
            if (p == progress::malformed) co_return false;
            if (chosen != nullptr || !request.has_head()) continue;
            chosen = &answers_.find(request.message().first_line);
            if (request.message().expects_continue && p == progress::need_more) {
                const net::io_result w = co_await io.write_all("HTTP/1.1 100 Continue\r\n\r\n", time_point::max());
                if (!w.ok()) co_return false;
            }
        }
        for (const auto& piece : chosen->pieces) {
            if (chosen->gap != duration::zero() && &piece != &chosen->pieces.front())
                co_await net::sleep_until(loop_, loop_.now() + chosen->gap);
            const net::io_result r = co_await io.write_all(piece, loop_.now() + minutes(1));
            if (!r.ok()) co_return false;
        }
        co_return !request.message().close;
    }

    net::loop& loop_;
    net::ssl_ctx_ptr tls_;
    answer_book answers_;
    std::vector<char> buffer_;  // for whoever reads: nobody keeps bytes in it across a wait
};

int fail(const std::string& message) {
    std::cerr << "bench-origin: " << message << '\n';
    return 2;
}

int run(const settings& s) {
    net::ssl_ctx_ptr tls;
    if (!s.certificate.empty()) {
        net::server_tls files;
        files.certificate = s.certificate;
        files.key = s.key;
        auto made = net::make_server_context(files);
        if (!made) return fail(made.error().message);
        tls = *made;
    }
    const auto at = net::address::parse(s.address);
    if (!at) return fail(at.error().message);
    if (!at->ip().starts_with("127.")) return fail("only loopback addresses");
    const auto listening = net::listen_on(*at, false);
    if (!listening) return fail(listening.error().message);
    std::cout << net::local_address(*listening).to_string() << std::endl;

    net::loop loop;
    origin_server server(loop, tls);
    net::acceptor accept(loop, *listening, [&](int fd, const net::address&) { server.take(fd); });
    const auto end = [](net::loop& l, double lifetime) -> net::task<> {
        const auto length = std::chrono::duration_cast<duration>(std::chrono::duration<double>(lifetime));
        co_await net::sleep_until(l, l.now() + length);
        l.stop();
    };
    net::spawn(end(loop, s.lifetime), [](const std::exception_ptr&) {});
    loop.run();
    // Open sessions are coroutines that wait on the loop; the process ends with them.
    std::_Exit(0);
}

}  // namespace
}  // namespace spillway::bench

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    spillway::bench::settings s;
    CLI::App app{
        "A cheap HTTP/1.1 origin on a loopback address; prints the address it listens on.\n"
        "POST /openai/deployments/NAME/..., NAME: json | bytes-N | sse-N-MS"};
    app.add_option("--address", s.address, "127.0.0.1:port; port 0 takes a free one");
    auto* certificate = app.add_option("--certificate", s.certificate, "PEM file; without it plain HTTP is spoken");
    app.add_option("--key", s.key, "PEM file")->needs(certificate);
    app.add_option("--lifetime", s.lifetime, "seconds after which it ends by itself");
    app.add_flag("--busy-poll", s.busy_poll, "never sleep: whoever sends need not wake this program");
    CLI11_PARSE(app, argc, argv);
    if (s.busy_poll) spillway::bench::never_sleep();
    return spillway::bench::run(s);
}
