#pragma once

#include <cstddef>
#include <cstdint>

#include <spillway/base/time.hpp>

namespace spillway::proxy {

// What a listener allows a client. Every number is configuration; the defaults stand in config/tree.hpp.
struct client_limits {
    std::size_t head_bytes{32 * 1024};
    std::size_t header_fields{100};
    std::size_t body_bytes{64 * 1024 * 1024};
    std::size_t connections{10000};            // of this listener, all workers together
    std::uint32_t connections_per_address{0};  // of these, from one address; 0: any number
    std::size_t handshakes{1000};              // of one worker at a time
    duration head_timeout{seconds(10)};
    duration body_timeout{seconds(60)};
    duration idle_timeout{seconds(120)};
    duration write_timeout{seconds(60)};
    std::size_t body_rate{16 * 1024};  // bytes a second, once body_timeout is over; 0: none
};

}  // namespace spillway::proxy
