#pragma once

#include <string>

#include <spillway/base/time.hpp>

namespace spillway::proxy {

// Prompt and answer of one request on their way to the capture file, not yet redacted.
struct captured {
    wall_time at{};
    std::string request_id, client, route;
    std::string prompt, answer;
    bool prompt_cut{false}, answer_cut{false};
};

}  // namespace spillway::proxy
