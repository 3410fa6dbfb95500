#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/base/fault.hpp>

namespace spillway::net {

// One IPv4 or IPv6 socket address.
class address {
public:
    address() noexcept = default;
    address(const sockaddr* from, socklen_t length) noexcept;

    // "127.0.0.1:8443", "[::1]:8443"; numeric only, `:8443` and `*:8443` mean every IPv4 address.
    static result<address> parse(std::string_view text);

    // "192.0.2.7", "2001:db8::1", "[2001:db8::1]:443", "192.0.2.7:443": what proxies write into header fields. The
    // port is 1 when none is told.
    static result<address> parse_forwarded(std::string_view text);

    const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
    socklen_t size() const noexcept { return size_; }
    int family() const noexcept { return storage_.ss_family; }
    std::uint16_t port() const noexcept;
    void set_port(std::uint16_t port) noexcept;
    // An IPv4 address as itself where IPv6 sockets spell it ::ffff:a.b.c.d; every other address as it is.
    address unmapped() const noexcept;
    // The 4 or 16 address bytes.
    std::string_view bytes() const noexcept;
    std::string ip() const;         // without port
    std::string to_string() const;  // with port

    friend bool operator==(const address& a, const address& b) noexcept {
        return a.size_ == b.size_ && a.port() == b.port() && a.bytes() == b.bytes();
    }

private:
    sockaddr_storage storage_{};
    socklen_t size_{0};
};

using address_list = std::vector<address>;

// "10.0.0.0/8", "::1", "192.0.2.7". A network of IPv6 holds an IPv4 address when it holds its ::ffff: form, so ::/0
// holds all.
class network {
public:
    static result<network> parse(std::string_view text);
    bool contains(const address& a) const noexcept;
    friend bool operator==(const network&, const network&) = default;

private:
    address base_;
    unsigned bits_{0};
};

}  // namespace spillway::net
