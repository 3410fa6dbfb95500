#include "endpoint.hpp"

#include <cstdio>
#include <vector>

#include "session.hpp"

namespace spillway::sim {

result<void> endpoint::open() {
    const auto wanted = net::address::parse(at_.options().address);
    if (!wanted) return wanted.error();
    bound_ = *wanted;
    auto listening = listen();
    if (!listening) return listening;
    at_.bound_address = bound_.to_string();
    faults_changed();
    return {};
}

result<void> endpoint::listen() {
    const auto fd = net::listen_on(bound_, false);
    if (!fd) return fd.error();
    bound_ = net::local_address(*fd);
    accepting_ = std::make_unique<net::acceptor>(all_.loop, *fd,
                                                 [this](int connected, const net::address&) { accept(connected); });
    return {};
}

void endpoint::faults_changed() {
    const bool closed =
        all_.faults.choose_for_connection(fault_kind::refuse_connection, at_.options().name).has_value();
    if (closed) accepting_.reset();
    if (!closed && accepting_ == nullptr)
        if (const auto again = listen(); !again)
            std::fprintf(stderr, "spillway-sim: %s\n", again.error().message.c_str());
    // A session may end while we tell it, so the map can change under the walk.
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, changed] : sessions_) numbers.push_back(number);
    for (const auto number : numbers)
        if (const auto at = sessions_.find(number); at != sessions_.end()) at->second->fire();
}

void endpoint::accept(int fd) {
    net::spawn(serve(fd, ++last_session_), [](const std::exception_ptr& e) {
        if (e) std::fputs("spillway-sim: a connection ended by an unexpected failure\n", stderr);
    });
}

net::task<> endpoint::serve(int fd, std::uint64_t number) {
    auto& changed = *sessions_.emplace(number, std::make_unique<net::interrupt>()).first->second;
    {
        session s(all_, at_, changed);
        co_await s.run(fd, tls_.get());
    }
    sessions_.erase(number);
}

}  // namespace spillway::sim
