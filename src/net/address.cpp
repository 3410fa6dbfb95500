#include <spillway/net/address.hpp>

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

#include <spillway/base/text.hpp>

namespace spillway::net {
namespace {

fault bad(std::string_view text, std::string_view why) {
    return {
        .code = "BadAddress", .who = origin::gateway, .message = "'" + std::string(text) + "' " + std::string(why)};
}

constexpr std::string_view mapped_prefix("\0\0\0\0\0\0\0\0\0\0\xFF\xFF", 12);

bool parse_ip(std::string_view text, sockaddr_storage& out, socklen_t& size) {
    const std::string z(text);
    auto& v4 = reinterpret_cast<sockaddr_in&>(out);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
    if (::inet_pton(AF_INET, z.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        size = sizeof v4;
        return true;
    }
    if (::inet_pton(AF_INET6, z.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        size = sizeof v6;
        return true;
    }
    return false;
}

}  // namespace

address::address(const sockaddr* from, socklen_t length) noexcept
    : size_(std::min<socklen_t>(length, sizeof storage_)) {
    std::memcpy(&storage_, from, size_);
}

result<address> address::parse(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return bad(text, "has no port: write host:port, for example 0.0.0.0:8443");
    const auto port = text::parse_unsigned(text.substr(colon + 1));
    if (!port || *port > 65535) return bad(text, "has no port between 0 and 65535");
    std::string_view host = text.substr(0, colon);
    if (host.empty() || host == "*") host = "0.0.0.0";
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    if (host == "localhost") host = "127.0.0.1";
    address out;
    if (!parse_ip(host, out.storage_, out.size_)) return bad(text, "does not begin with an IP address");
    out.set_port(static_cast<std::uint16_t>(*port));
    return out;
}

result<address> address::parse_forwarded(std::string_view text) {
    const bool v6 = std::count(text.begin(), text.end(), ':') > 1 && text.front() != '[';
    const bool has_port = !v6 && text.find(':') != std::string_view::npos;
    auto out = parse(has_port ? std::string(text) : v6 ? "[" + std::string(text) + "]:1" : std::string(text) + ":1");
    if (out) out = out->unmapped();
    return out;
}

address address::unmapped() const noexcept {
    if (family() != AF_INET6 || bytes().substr(0, mapped_prefix.size()) != mapped_prefix) return *this;
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    std::memcpy(&v4.sin_addr, bytes().data() + mapped_prefix.size(), sizeof v4.sin_addr);
    address out(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
    out.set_port(port());
    return out;
}

std::uint16_t address::port() const noexcept {
    return ntohs(family() == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(storage_).sin6_port
                                      : reinterpret_cast<const sockaddr_in&>(storage_).sin_port);
}

void address::set_port(std::uint16_t port) noexcept {
    if (family() == AF_INET6) reinterpret_cast<sockaddr_in6&>(storage_).sin6_port = htons(port);
    else reinterpret_cast<sockaddr_in&>(storage_).sin_port = htons(port);
}

std::string_view address::bytes() const noexcept {
    if (family() == AF_INET6)
        return {reinterpret_cast<const char*>(&reinterpret_cast<const sockaddr_in6&>(storage_).sin6_addr), 16};
    if (family() == AF_INET)
        return {reinterpret_cast<const char*>(&reinterpret_cast<const sockaddr_in&>(storage_).sin_addr), 4};
    return {};
}

std::string address::ip() const {
    char out[INET6_ADDRSTRLEN] = "";
    if (size_ != 0) ::inet_ntop(family(), bytes().data(), out, sizeof out);
    return out;
}

std::string address::to_string() const {
    return (family() == AF_INET6 ? "[" + ip() + "]" : ip()) + ":" + std::to_string(port());
}

result<network> network::parse(std::string_view text) {
    const auto slash = text.find('/');
    network out;
    const std::string host(text.substr(0, slash));
    auto base = address::parse(host.find(':') != std::string::npos ? "[" + host + "]:0" : host + ":0");
    if (!base) return bad(text, "is no IP address or network such as 10.0.0.0/8");
    out.base_ = *base;
    const unsigned most = static_cast<unsigned>(out.base_.bytes().size()) * 8;
    out.bits_ = most;
    if (slash != std::string_view::npos) {
        const auto bits = text::parse_unsigned(text.substr(slash + 1));
        if (!bits || *bits > most) return bad(text, "has no prefix length that fits the address");
        out.bits_ = static_cast<unsigned>(*bits);
    }
    constexpr unsigned mapped_bits = mapped_prefix.size() * 8;
    const address plain = out.base_.unmapped();
    if (plain.family() != out.base_.family() && out.bits_ >= mapped_bits) {
        out.base_ = plain;
        out.bits_ -= mapped_bits;
    }
    return out;
}

bool network::contains(const address& a) const noexcept {
    std::array<char, 16> mapped;
    std::string_view x = a.bytes();
    const auto y = base_.bytes();
    if (x.size() == 4 && y.size() == mapped.size()) {
        std::copy(mapped_prefix.begin(), mapped_prefix.end(), mapped.begin());
        std::copy(x.begin(), x.end(), mapped.begin() + mapped_prefix.size());
        x = {mapped.data(), mapped.size()};
    }
    if (x.size() != y.size()) return false;
    const unsigned whole = bits_ / 8, rest = bits_ % 8;
    if (x.substr(0, whole) != y.substr(0, whole)) return false;
    if (rest == 0) return true;
    const unsigned mask = 0xFFu << (8 - rest) & 0xFFu;
    return ((static_cast<unsigned char>(x[whole]) ^ static_cast<unsigned char>(y[whole])) & mask) == 0;
}

}  // namespace spillway::net
