#pragma once

#include <functional>
#include <memory>

#include <spillway/net/acceptor.hpp>

#include "answer.hpp"
#include "simulation.hpp"

namespace spillway::sim {

// What the control endpoint answers; no sockets here. `faults_changed` is called after every change of the rules.
class control {
public:
    control(simulation& all, std::function<void()> faults_changed)
        : all_(all), faults_changed_(std::move(faults_changed)) {}

    answer handle(const request& r);

private:
    answer add_faults(const request& r);
    answer remove_faults(const request& r);
    answer usage(const request& r) const;
    void check_names(const fault_rule& r, const std::string& path, problems& out) const;

    simulation& all_;
    std::function<void()> faults_changed_;
};

// Plain HTTP for the above.
class control_server {
public:
    control_server(simulation& all, control& asked) : all_(all), control_(asked) {}
    // Returns the address that it is bound to.
    result<net::address> open(const std::string& address);

private:
    net::task<> serve(int fd);

    simulation& all_;
    control& control_;
    std::unique_ptr<net::acceptor> accepting_;
};

}  // namespace spillway::sim
