#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/base/time.hpp>

namespace spillway::bench {

// An answer, ready to send: pieces are written one by one, `gap` apart.
struct answer {
    std::vector<std::string> pieces;
    duration gap{};
};

// The answers of the origin, made at their first use and kept. The deployment in the path says which one:
//   json          a chat completion of about 500 bytes
//   bytes-N       a JSON answer of N bytes
//   sse-N-MS      an event stream of N chunks and [DONE], MS milliseconds apart; 0: written one after the other
// with or without `bench-` in front.
class answer_book {
public:
    // By the first line of a request.
    const answer& find(std::string_view request_line);

private:
    std::map<std::string, answer, std::less<>> made_;
};

}  // namespace spillway::bench
