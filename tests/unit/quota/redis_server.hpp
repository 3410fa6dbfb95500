#pragma once

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace spillway::quota {

inline int free_port() {
    const int s = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof a;
    ::bind(s, reinterpret_cast<sockaddr*>(&a), sizeof a);
    ::getsockname(s, reinterpret_cast<sockaddr*>(&a), &size);
    ::close(s);
    return ntohs(a.sin_port);
}

// A real redis-server without persistence, on a port of its own.
class redis_server {
public:
    explicit redis_server(std::vector<std::string> more = {}) : more_(std::move(more)) {
        if (!std::filesystem::exists(program))
            throw std::runtime_error("no /usr/bin/redis-server: install redis-server");
        char folder[] = "/tmp/spillway-redis-XXXXXX";
        folder_ = ::mkdtemp(folder);
        start();
    }
    ~redis_server() {
        kill();
        std::filesystem::remove_all(folder_);
    }
    redis_server(const redis_server&) = delete;
    redis_server& operator=(const redis_server&) = delete;

    void start() {
        pid_ = ::fork();
        if (pid_ == 0) {
            std::vector<std::string> words{program,  "--port",    std::to_string(port_), "--bind", "127.0.0.1",
                                           "--save", "",          "--appendonly",        "no",     "--dir",
                                           folder_,  "--logfile", folder_ + "/log"};
            words.insert(words.end(), more_.begin(), more_.end());
            std::vector<char*> at;
            for (auto& w : words) at.push_back(w.data());
            at.push_back(nullptr);
            ::execv(program, at.data());
            ::_exit(127);
        }
        for (int i = 0; i < 500; ++i) {
            const std::unique_ptr<redisContext, decltype(&::redisFree)> c(::redisConnect("127.0.0.1", port_),
                                                                          &::redisFree);
            if (c && c->err == 0) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        throw std::runtime_error("redis-server does not start");
    }
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    void pause() { ::kill(pid_, SIGSTOP); }
    void resume() { ::kill(pid_, SIGCONT); }

    std::string say(const std::string& command) {
        const std::unique_ptr<redisContext, decltype(&::redisFree)> c(::redisConnect("127.0.0.1", port_),
                                                                      &::redisFree);
        auto* r = static_cast<redisReply*>(::redisCommand(c.get(), command.c_str()));
        std::string out;
        if (r == nullptr) return "no answer";
        if (r->type == REDIS_REPLY_INTEGER) out = std::to_string(r->integer);
        if (r->str != nullptr) out.assign(r->str, r->len);
        for (std::size_t i = 0; i < r->elements; ++i)
            out += std::string(r->element[i]->str != nullptr ? r->element[i]->str : "") + '\n';
        ::freeReplyObject(r);
        return out;
    }
    // A value with blanks in it.
    void set_field(const std::string& key, const std::string& field, const std::string& value) {
        const std::unique_ptr<redisContext, decltype(&::redisFree)> c(::redisConnect("127.0.0.1", port_),
                                                                      &::redisFree);
        ::freeReplyObject(::redisCommand(c.get(), "HSET %s %s %s", key.c_str(), field.c_str(), value.c_str()));
    }
    // Said again at the next start: the last one counts.
    void more(std::vector<std::string> words) { more_.insert(more_.end(), words.begin(), words.end()); }
    std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }
    int port() const { return port_; }

private:
    static constexpr const char* program = "/usr/bin/redis-server";
    std::vector<std::string> more_;
    std::string folder_;
    int port_{free_port()};
    pid_t pid_{0};
};

}  // namespace spillway::quota
