#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spillway/net/slab.hpp>
#include <spillway/net/stream.hpp>

#include "form_data.hpp"

namespace spillway::sim {

using header_list = std::vector<std::pair<std::string, std::string>>;

// A request in memory, framing taken off.
struct request {
    std::string method, target;
    std::string path, query;                // of the target, as spelled
    header_list headers;                    // as spelled
    std::string body;                       // of a form the beginning
    std::uint64_t body_bytes{0};            // of all of it; 0 when it was not read from a connection
    std::shared_ptr<const form_data> form;  // null: the body is none
    int minor_version{1};
    bool keep_alive{false};

    // Value of the first header of that name in any case of letters; empty when there is none.
    std::string_view header(std::string_view name) const noexcept;
    // Value of the first query parameter, as spelled.
    std::string_view parameter(std::string_view name) const noexcept;
    std::uint64_t whole_body_bytes() const noexcept { return body_bytes > body.size() ? body_bytes : body.size(); }
    void set_target(std::string_view whole);
};

// %XX is decoded where it is valid.
// Apart from percent.hpp on purpose: a simulator that read names as the gateway writes them would hide its faults.
std::string percent_decoded(std::string_view s);

enum class request_end : std::uint8_t {
    complete,
    closed,       // the client left, before a request or amid one
    timed_out,    // nothing came in time
    interrupted,  // see request_reader::read
    refused,      // what came is no request: see refusal()
    unread,       // the body stays unread: see request_reader::leave_body
};

// Reads requests from one connection.
class request_reader {
public:
    request_reader(net::stream& io, net::slab_pool& slabs) noexcept : io_(io), in_(slabs) {}

    // `until` and `by` end the wait for the first byte alone.
    net::task<request_end> read(request& out, time_point until, net::interrupt* by);
    // Asked when a head has come, before its body is read: true leaves the body where it is.
    std::function<bool(const request&)> leave_body;
    int refusal_status() const noexcept { return refusal_status_; }
    const std::string& refusal() const noexcept { return refusal_; }

private:
    net::task<request_end> read_body(request& out, const struct body_plan& plan);
    request_end refuse(int status, std::string_view why);

    net::stream& io_;
    net::buffer in_;
    int refusal_status_{400};
    std::string refusal_;
};

// "HTTP/1.1 200 OK" with these headers and the empty line. What is no header becomes none.
std::string head_text(int status, const header_list& headers);

}  // namespace spillway::sim
