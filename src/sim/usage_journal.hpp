#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "answer.hpp"

namespace spillway::sim {

// How an instance saw a request end.
enum class usage_outcome : std::uint8_t {
    complete,  // all of the answer was handed to the kernel
    aborted,   // the client left before that
    fault,     // a fault was the answer, or ended it
};
std::string_view to_string(usage_outcome o) noexcept;

struct usage_entry {
    std::string request_id;  // x-ms-client-request-id; the simulator's own when the client sent none
    const std::string* instance{nullptr};
    std::string deployment;
    const std::string* model{nullptr};  // null: the request reached no deployment
    operation op{operation::unknown};
    usage_outcome outcome{usage_outcome::complete};
    bool streaming{false};
    bool told{false};       // the part of the answer that tells the usage was sent
    int status{0};          // 0: no head was sent
    token_counts tokens;    // of the whole answer, whether or not it came to its end
    std::uint64_t sent{0};  // completion tokens that were sent
};

// What the instances have answered, one entry a request, in the order in which the answers ended. The oldest entries
// go when there are too many; totals stay.
class usage_journal {
public:
    struct totals {
        std::uint64_t requests{0}, complete{0}, aborted{0}, faults{0}, told{0};
        token_counts tokens;       // of complete answers of status 200
        token_counts told_tokens;  // of all answers that told them
    };

    explicit usage_journal(std::uint64_t most) noexcept : most_(most) {}

    void add(usage_entry e);
    // Sequence numbers go on, so that no new entry passes for an old one.
    void clear();

    // Entries have numbers from 1; `since` is the last that the reader knows. At most `limit`, one a line.
    std::string lines(std::uint64_t since, std::uint64_t limit) const;
    // By deployment, "instance/name", and what was dropped.
    json to_json() const;

    std::uint64_t last() const noexcept { return before_ + entries_.size(); }
    std::uint64_t dropped() const noexcept { return dropped_; }
    std::size_t size() const noexcept { return entries_.size(); }

private:
    std::uint64_t most_;
    std::uint64_t before_{0};   // the number of the entry before the first
    std::uint64_t dropped_{0};  // since the last clear()
    std::deque<usage_entry> entries_;
    std::map<std::string, totals, std::less<>> totals_;
};

}  // namespace spillway::sim
