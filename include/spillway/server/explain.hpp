#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spillway/config/tree.hpp>
#include <spillway/proxy/snapshot.hpp>

// What would become of a request: told by the router and the selector that requests go by.
namespace spillway::server {

struct question {
    std::string client, deployment, operation{"chat"};
    std::string user;  // that the request would name; empty: none
    std::vector<std::pair<std::string, std::string>> headers;
};

// As the query of GET /explain: client=shop&deployment=gpt-4o&header=name%3Dvalue.
std::string query_of(const question& q);
// The other way. Faults: QuestionMalformed (400) says what is missing or unknown.
result<question> read_question(std::string_view query);

enum class explain_mode : std::uint8_t {
    configured,  // what holds at any time
    running,     // also what breakers and counts of `s` make of it at `now`
};

// The route that matches and those that are passed over, the pools behind it in the order in which their backends are
// asked, limits of the client: as JSON text without any secret. Takes nothing from breakers, quotas or balancers.
// Faults: ClientUnknown (404).
result<std::string> explain_text(const config::tree& t, const proxy::snapshot& s, const question& q,
                                 explain_mode mode, time_point now);

}  // namespace spillway::server
