#pragma once

#include <netinet/tcp.h>
#include <poll.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

#include "redis_server.hpp"

namespace spillway::quota {

// Stands before a real Redis, and changes what it says to runs of the script.
class redis_liar {
public:
    using change = std::function<void(std::string&)>;

    explicit redis_liar(int to) : to_(to) {
        listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
        auto a = loopback(0);
        ::bind(listener_, reinterpret_cast<sockaddr*>(&a), sizeof a);
        socklen_t size = sizeof a;
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&a), &size);
        port_ = ntohs(a.sin_port);
        ::listen(listener_, 8);
        thread_ = std::thread([this] { run(); });
    }
    ~redis_liar() {
        stop_ = true;
        thread_.join();
        ::close(listener_);
    }
    redis_liar(const redis_liar&) = delete;
    redis_liar& operator=(const redis_liar&) = delete;

    // To runs whose words hold `about`.
    void lie(change c, std::string about = "EVAL") {
        const std::scoped_lock hold(mutex_);
        change_ = std::move(c);
        about_ = std::move(about);
    }
    void honest() { lie(nullptr); }
    int connections() const { return connections_; }
    std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }

private:
    static sockaddr_in loopback(int port) {
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_port = htons(static_cast<std::uint16_t>(port));
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return a;
    }
    static bool has_input(int fd) {
        pollfd p{fd, POLLIN, 0};
        return ::poll(&p, 1, 20) > 0;
    }
    // One value of the protocol, taken off the front of `from`; empty: there is not all of it.
    static std::string take_value(std::string& from) {
        std::size_t at = 0;
        if (!skip(from, at)) return {};
        std::string out = from.substr(0, at);
        from.erase(0, at);
        return out;
    }
    static bool skip(const std::string& s, std::size_t& at) {
        const auto end = s.find("\r\n", at);
        if (end == std::string::npos) return false;
        const char type = s[at];
        const long n = type == '$' || type == '*' ? std::stol(s.substr(at + 1, end - at - 1)) : 0;
        at = end + 2;
        if (type == '$' && n >= 0) at += static_cast<std::size_t>(n) + 2;
        for (long i = 0; type == '*' && i < n; ++i)
            if (at >= s.size() || !skip(s, at)) return false;
        return at <= s.size();
    }
    static std::string next_value(int fd, std::string& buffer, const std::atomic<bool>& stop) {
        char memory[65536];
        for (;;) {
            if (auto v = take_value(buffer); !v.empty()) return v;
            while (!has_input(fd))
                if (stop) return {};
            const auto n = ::recv(fd, memory, sizeof memory, 0);
            if (n <= 0) return {};
            buffer.append(memory, static_cast<std::size_t>(n));
        }
    }
    void run() {
        while (!stop_) {
            if (!has_input(listener_)) continue;
            const int c = ::accept(listener_, nullptr, nullptr);
            const int s = ::socket(AF_INET, SOCK_STREAM, 0);
            const auto a = loopback(to_);
            if (::connect(s, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0) serve(c, s);
            ::close(c);
            ::close(s);
        }
    }
    void serve(int client, int server) {
        ++connections_;
        const int on = 1;
        for (const int fd : {client, server}) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        std::string asked, answered;
        while (!stop_) {
            const auto command = next_value(client, asked, stop_);
            if (command.empty() || ::send(server, command.data(), command.size(), MSG_NOSIGNAL) < 0) return;
            auto answer = next_value(server, answered, stop_);
            if (answer.empty()) return;
            {
                const std::scoped_lock hold(mutex_);
                if (change_ && command.substr(0, 24).find("EVAL") != std::string::npos &&
                    command.find(about_) != std::string::npos)
                    change_(answer);
            }
            if (::send(client, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
        }
    }

    const int to_;
    int listener_{-1}, port_{0};
    std::atomic<bool> stop_{false};
    std::atomic<int> connections_{0};
    std::mutex mutex_;
    change change_;
    std::string about_;
    std::thread thread_;
};

// Puts numbers in the place of parts of a list: its first part, a text, has number 0.
inline void put_numbers(std::string& answer, const std::vector<std::pair<std::size_t, std::string>>& numbers) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < answer.size();) {
        const auto end = answer.find("\r\n", at);
        lines.push_back(answer.substr(at, end - at));
        at = end + 2;
    }
    // The list's head and two lines of the text stand before the numbers.
    for (const auto& [i, n] : numbers)
        if (i + 2 < lines.size() && lines[i + 2].starts_with(':')) lines[i + 2] = ":" + n;
    answer.clear();
    for (const auto& l : lines) answer += l + "\r\n";
}

}  // namespace spillway::quota
