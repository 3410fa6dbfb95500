#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <spillway/net/dns.hpp>

namespace spillway::net {

// A name server on loopback, UDP and TCP on the same port, on a thread of its own. A test says what it answers.
class dns_server {
public:
    static constexpr int a = 1, aaaa = 28, cname = 5;
    struct record {
        int type{a};
        std::uint32_t ttl{60};
        std::string data{};   // an address, or the name that an alias stands for
        std::string owner{};  // empty: the name that was asked for
    };
    struct reply {
        bool silent{false}, truncated{false}, wrong_id{false}, wrong_question{false};
        int code{0};           // 2: the server is in trouble, 3: no such name
        std::string before{};  // bytes that come first, as a packet of their own
        std::vector<record> records{};
    };
    using answering = std::function<reply(const std::string& name, int type)>;

    explicit dns_server(answering how) : answer_(std::move(how)), event_(::eventfd(0, 0)) {
        // The kernel gives a UDP port; somebody may have it for TCP.
        for (;;) {
            sockaddr_in at{};
            at.sin_family = AF_INET;
            at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            udp_ = ::socket(AF_INET, SOCK_DGRAM, 0);
            tcp_ = ::socket(AF_INET, SOCK_STREAM, 0);
            socklen_t size = sizeof at;
            auto* generic = reinterpret_cast<sockaddr*>(&at);
            if (::bind(udp_, generic, size) == 0 && ::getsockname(udp_, generic, &size) == 0 &&
                ::bind(tcp_, generic, size) == 0 && ::listen(tcp_, 16) == 0) {
                port_ = ntohs(at.sin_port);
                break;
            }
            ::close(udp_);
            ::close(tcp_);
        }
        thread_ = std::thread([this] { work(); });
    }
    ~dns_server() {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto n = ::write(event_, &one, sizeof one);
        thread_.join();
        for (const int fd : {udp_, tcp_, event_}) ::close(fd);
    }
    dns_server(const dns_server&) = delete;
    dns_server& operator=(const dns_server&) = delete;

    dns_settings settings() const { return *read_dns({"127.0.0.1:" + std::to_string(port_)}); }
    // How often IPv4 addresses of a name have been asked for.
    int asked(const std::string& name) const {
        const std::lock_guard lock(mutex_);
        const auto at = asked_.find(name);
        return at == asked_.end() ? 0 : at->second;
    }
    int over_tcp() const {
        const std::lock_guard lock(mutex_);
        return over_tcp_;
    }

private:
    static std::string number(std::uint32_t n, int bytes) {
        std::string out;
        for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(n >> 8 * i & 0xFF);
        return out;
    }
    static std::string name(const std::string& dotted) {
        std::string out;
        for (std::size_t from = 0; from < dotted.size();) {
            const auto dot = std::min(dotted.find('.', from), dotted.size());
            out += static_cast<char>(dot - from) + dotted.substr(from, dot - from);
            from = dot + 1;
        }
        return out + '\0';
    }
    static std::string data_of(const record& r) {
        if (r.type == cname) return name(r.data);
        char out[16];
        if (::inet_pton(r.type == a ? AF_INET : AF_INET6, r.data.c_str(), out) != 1) return "bad";
        return {out, r.type == a ? 4U : 16U};
    }
    // The question's name, its type, and the bytes of the whole question.
    static bool read(std::string_view m, std::string& asked, int& type, std::string& question) {
        if (m.size() < 17) return false;
        std::size_t at = 12;
        while (at < m.size() && m[at] != 0) {
            const auto n = static_cast<std::size_t>(static_cast<unsigned char>(m[at]));
            if (at + 1 + n >= m.size()) return false;
            asked += (asked.empty() ? "" : ".") + std::string(m.substr(at + 1, n));
            at += n + 1;
        }
        if (at + 5 > m.size()) return false;
        type = static_cast<unsigned char>(m[at + 1]) << 8 | static_cast<unsigned char>(m[at + 2]);
        question = std::string(m.substr(12, at + 5 - 12));
        return true;
    }

    std::string message(std::string_view asked, bool tcp, std::string* before) {
        std::string who, question;
        int type = 0;
        if (!read(asked, who, type, question)) return {};
        {
            const std::lock_guard lock(mutex_);
            if (type == a) ++asked_[who];
            over_tcp_ += tcp ? 1 : 0;
        }
        reply r = answer_(who, type);
        if (before != nullptr) *before = r.before;
        if (r.silent) return {};
        if (r.wrong_question)
            question = name("other.test") + number(static_cast<std::uint32_t>(type), 2) + number(1, 2);
        const bool cut = r.truncated && !tcp;
        std::string id(asked.substr(0, 2));
        if (r.wrong_id) id[0] = static_cast<char>(id[0] + 1);
        std::string out = id + number(0x8180U | (cut ? 0x0200U : 0U) | static_cast<std::uint32_t>(r.code), 2) +
                          number(1, 2) + number(cut ? 0 : static_cast<std::uint32_t>(r.records.size()), 2) +
                          number(0, 4) + question;
        if (cut) return out;
        for (const auto& one : r.records) {
            const auto data = data_of(one);
            out += name(one.owner.empty() ? who : one.owner) + number(static_cast<std::uint32_t>(one.type), 2) +
                   number(1, 2) + number(one.ttl, 4) + number(static_cast<std::uint32_t>(data.size()), 2) + data;
        }
        return out;
    }

    void work() {
        char room[4096];
        for (;;) {
            pollfd all[] = {{event_, POLLIN, 0}, {udp_, POLLIN, 0}, {tcp_, POLLIN, 0}};
            ::poll(all, 3, -1);
            if (all[0].revents != 0) return;
            if (all[1].revents != 0) {
                sockaddr_in from{};
                socklen_t size = sizeof from;
                auto* generic = reinterpret_cast<sockaddr*>(&from);
                const auto n = ::recvfrom(udp_, room, sizeof room, 0, generic, &size);
                if (n <= 0) continue;
                std::string before;
                const auto out = message({room, static_cast<std::size_t>(n)}, false, &before);
                for (const auto& packet : {before, out})
                    if (!packet.empty()) ::sendto(udp_, packet.data(), packet.size(), 0, generic, size);
            }
            if (all[2].revents != 0) {
                const int c = ::accept(tcp_, nullptr, nullptr);
                // One question for one connection is enough here.
                const auto n = ::recv(c, room, 2, MSG_WAITALL);
                const auto want = static_cast<std::size_t>(static_cast<unsigned char>(room[0]) << 8 |
                                                           static_cast<unsigned char>(room[1]));
                if (n == 2 && want <= sizeof room &&
                    ::recv(c, room, want, MSG_WAITALL) == static_cast<ssize_t>(want)) {
                    const auto out = message({room, want}, true, nullptr);
                    const auto framed = number(static_cast<std::uint32_t>(out.size()), 2) + out;
                    ::send(c, framed.data(), framed.size(), MSG_NOSIGNAL);
                }
                ::close(c);
            }
        }
    }

    const answering answer_;
    int event_, udp_{-1}, tcp_{-1};
    std::uint16_t port_{0};
    mutable std::mutex mutex_;
    std::map<std::string, int> asked_;
    int over_tcp_{0};
    std::thread thread_;
};

}  // namespace spillway::net
