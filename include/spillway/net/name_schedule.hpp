#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <spillway/base/time.hpp>
#include <spillway/net/address.hpp>

namespace spillway::net {

// What a look-up brought.
struct name_answer {
    enum class kind : std::uint8_t {
        found,
        none,    // there is no such name, or it has no address
        failed,  // not known: no answer in time, or the name server itself is in trouble
    };
    kind what{kind::failed};
    address_list addresses;       // of `found`
    std::optional<duration> ttl;  // the smallest of the answer; unset: it has none
    std::string why;              // of the others, for people
};

// What is known about a name, for the status page.
struct name_report {
    std::string host;
    std::vector<std::string> addresses;
    std::uint32_t failures_in_a_row{0};
    std::string last_error;  // of the last look-up; empty when it brought addresses
    duration next_in{};      // zero: it is under way
};

// Which name is looked up when. Pure: the time and chance are arguments.
//
// Names come in the order of how long they have been due. Those whose last look-up failed, and those whose answer is
// slow, leave room to all others, so that a name that does not resolve costs itself alone.
class name_schedule {
public:
    static constexpr std::size_t most_at_once = 256;
    static constexpr std::size_t most_prompt = 64;  // younger than `slow_after`
    static constexpr std::size_t most_sick = most_at_once / 2, most_prompt_sick = most_prompt / 2;
    static constexpr duration slow_after = seconds(1);
    static constexpr duration shortest = seconds(5);     // a TTL below counts as this, unless refresh is below itself
    static constexpr duration first_pause = seconds(2);  // after a failure; doubles up to refresh or longest_pause
    static constexpr duration longest_pause = minutes(1);

    // Replaces the set of names; those that stay keep what is known about them.
    void watch(const std::map<std::string, duration>& refresh_by_host, time_point now);
    // All that failed last are due at once: other name servers are asked from now on.
    void ask_failed_again(time_point now);

    // The next one to be looked up now, and none when nothing is due or too many are under way.
    std::optional<std::string> next(time_point now);
    bool under_way(const std::string& host) const;
    // When next() may have one, as far as time alone decides; time_point::max(): never.
    time_point wake(time_point now) const;

    // `chance` in [0, 1) spreads the repetitions of failures. True: the name's users have to be told its
    // addresses(), because they are new or this was the first look-up.
    bool finish(const std::string& host, name_answer answer, time_point now, double chance);

    // Unset before the first look-up has ended.
    std::optional<address_list> addresses(const std::string& host) const;
    std::vector<name_report> report(time_point now) const;

private:
    struct entry {
        duration refresh{};
        time_point due{}, asked_at{};
        bool under_way{false}, known{false};
        std::uint32_t failures{0};  // in a row
        address_list last;
        std::string why;
    };
    // Whether another one may begin, and whether that may be one that failed last.
    struct room {
        bool any{false}, sick{false};
        time_point more_at{time_point::max()};  // when one under way begins to count as slow
    };
    room room_at(time_point now) const;

    std::map<std::string, entry> hosts_;
};

}  // namespace spillway::net
