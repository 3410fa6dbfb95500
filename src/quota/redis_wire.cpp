#include "redis_wire.hpp"

#include <hiredis/hiredis.h>

#include <algorithm>

#include <spillway/net/peer_name.hpp>

namespace spillway::quota {
namespace {

constexpr std::size_t most_read_at_once = 16 * 1024;
constexpr std::size_t most_sent_at_once = 64 * 1024;
constexpr std::size_t most_kept = 256 * 1024;  // of the memory for commands
constexpr duration names_last = seconds(10);   // a Redis that moves is found there, if its name's TTL says no less

net::endpoint endpoint_of(const redis_url& url) {
    net::endpoint out;
    out.host = url.host;
    out.port = static_cast<std::uint16_t>(url.port);
    return out;
}

std::optional<net::address> number_of(const std::string& host) {
    const bool v6 = host.find(':') != std::string::npos;
    const auto at = net::address::parse(v6 ? '[' + host + "]:1" : host + ":1");
    return at && host != "*" && host != "localhost" ? std::optional(*at) : std::nullopt;
}

}  // namespace

redis_wire::redis_wire(net::loop& l, redis_url to, net::ssl_ctx_ptr tls)
    : loop_(l),
      url_(std::move(to)),
      tls_(std::move(tls)),
      server_(l, endpoint_of(url_), net::upstream_limits{}),
      in_(most_read_at_once) {
    if (const auto number = number_of(url_.host)) {
        server_.set_addresses({*number});
        return;
    }
    names_.emplace([this](const std::string&, const net::address_list& found) {
        loop_.post([this, found] { server_.set_addresses(found); });
    });
    names_->watch({{url_.host, names_last}});
}

void redis_wire::close() noexcept {
    connection_.reset();
    reader_.clear();
    wipe();
}

bool redis_wire::fail(std::string what) {
    error_ = std::move(what);
    close();
    return false;
}

net::task<bool> redis_wire::open() {
    close();
    auto opened = co_await server_.acquire(true, patience, nullptr);
    connection_ = std::move(opened.connection);
    if (!connection_) co_return fail(opened.detail.empty() ? "no answer in time" : opened.detail);
    if (!tls_) co_return true;
    co_return co_await handshake();
}

// Not by the upstream: its sessions and words are those of HTTP.
net::task<bool> redis_wire::handshake() {
    SSL* const ssl = SSL_new(tls_.get());
    if (ssl == nullptr) co_return fail("no memory for TLS");
    SSL_set_connect_state(ssl);
    connection_->io.start_tls(ssl);
    // The context offers HTTP to instances; a front that looks at it would send this elsewhere.
    if (!net::expect_peer(ssl, url_.host) || SSL_set_alpn_protos(ssl, nullptr, 0) != 0)
        co_return fail("no memory for TLS");
    const auto r = co_await connection_->io.handshake(clock::now() + 2 * patience);
    if (r.ok()) co_return true;
    const long verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK)
        co_return fail(std::string("TLS: its certificate is refused: ") + X509_verify_cert_error_string(verified));
    co_return fail("TLS: " + trouble(r));
}

bool redis_wire::add(const std::vector<const std::string*>& words) {
    std::vector<const char*> at;
    std::vector<std::size_t> size;
    at.reserve(words.size());
    size.reserve(words.size());
    for (const auto* w : words) {
        at.push_back(w->data());
        size.push_back(w->size());
    }
    char* text = nullptr;
    const int n = ::redisFormatCommandArgv(&text, static_cast<int>(at.size()), at.data(), size.data());
    if (n < 0) return fail("no memory for a command");
    out_.append(text, static_cast<std::size_t>(n));
    OPENSSL_cleanse(text, static_cast<std::size_t>(n));  // it may be the password
    ::redisFreeCommand(text);
    return true;
}

std::string redis_wire::trouble(const net::io_result& r) const {
    switch (r.status) {
        case net::io_status::timed_out: return "no answer in time";
        case net::io_status::closed: return "Redis has closed the connection";
        default:
            return connection_->io.failure().empty() ? "the connection to Redis broke" : connection_->io.failure();
    }
}

net::task<bool> redis_wire::flush() {
    for (std::string_view left = out_; !left.empty();) {
        const auto part = left.substr(0, most_sent_at_once);
        const auto r = co_await connection_->io.write_all(part, clock::now() + patience);
        if (!r.ok()) co_return fail(trouble(r));
        left.remove_prefix(part.size());
    }
    out_.clear();
    if (out_.capacity() > most_kept) out_ = {};
    co_return true;
}

net::task<bool> redis_wire::receive() {
    const auto r = co_await connection_->io.read_some(in_, clock::now() + patience);
    if (!r.ok()) co_return fail(trouble(r));
    co_return reader_.feed({in_.data(), r.bytes}) || fail(reader_.error());
}

net::task<std::optional<redis_value>> redis_wire::read() {
    if (!is_open()) co_return std::nullopt;
    const bool sent = co_await flush();
    if (!sent) co_return std::nullopt;
    const time_point late = clock::now() + 2 * patience;
    for (;;) {
        if (auto got = reader_.next()) co_return got;
        if (reader_.broken()) fail(reader_.error());
        if (!is_open()) co_return std::nullopt;
        const bool more = co_await receive();
        if (!more) co_return std::nullopt;
        if (clock::now() <= late) continue;
        fail("no answer in time");
        co_return std::nullopt;
    }
}

}  // namespace spillway::quota
