#pragma once

#include <string>

#include <spillway/net/upstream.hpp>

namespace spillway::net {

// Asks the proxy at the other end of `io` for a tunnel to host:port. Afterwards `io` is a connection to that server.
// A refusal is a failure to connect; `detail` then says whose and why, never with the credential.
task<connect_error> open_tunnel(stream& io, const endpoint& to, time_point deadline, interrupt* by,
                                std::string& detail);

}  // namespace spillway::net
