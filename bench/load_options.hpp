#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <spillway/base/time.hpp>
#include <spillway/net/address.hpp>

namespace spillway::bench {

// What to send where, and for how long.
struct load_options {
    net::address to;  // loopback only
    std::string host;
    bool tls{true};
    std::string tls_name;  // verified, and sent as SNI
    std::string ca_file;

    std::string request;  // head and body, ready to send
    std::uint32_t connections{1};
    double rate{0};  // requests a second; 0: each connection sends as soon as it has its answer
    duration length{seconds(5)};
    duration warm_up{seconds(1)};
    std::uint64_t requests{0};  // stop after so many; 0: by time alone
    duration timeout{seconds(30)};

    bool busy_poll{false};             // see busy_poll.hpp
    bool hold{false};                  // one request on every connection, to be held open together
    std::uint64_t expected_events{0};  // of an event stream, [DONE] counted; 0: not an event stream
    std::uint64_t expected_bytes{0};   // of the body; 0: not checked
};

// Reads the command line. What is wrong, or --help, goes to the terminal and ends the process.
load_options read_options(int argc, char** argv);

}  // namespace spillway::bench
