#include "proxy_tunnel.hpp"

#include <spillway/http/head.hpp>

#include "cleansed_at_end.hpp"

namespace spillway::net {
namespace {

constexpr std::size_t most_head = 16 * 1024;  // of the proxy's answer; what it says beyond its head is not read

std::string authority_of(const endpoint& to) {
    return (to.host.find(':') == std::string::npos ? to.host : "[" + to.host + "]") + ":" + std::to_string(to.port);
}

// Our own words: those of the proxy would come from outside into the log.
std::string_view meaning_of(int status) noexcept {
    switch (status) {
        case 403: return ": it does not allow this target; ask its operators, or set proxy: none for the instance";
        case 405: return ": it opens no tunnels (CONNECT)";
        case 407: return ": it wants other credentials; see user and password of net.proxy";
        case 502:
        case 503: return ": it cannot reach the target";
        case 504: return ": the target did not answer it in time";
        default: return "";
    }
}

connect_error error_of(io_status s) noexcept {
    if (s == io_status::timed_out) return connect_error::timed_out;
    return s == io_status::interrupted ? connect_error::interrupted : connect_error::connect;
}

}  // namespace

task<connect_error> open_tunnel(stream& io, const endpoint& to, time_point deadline, interrupt* by,
                                std::string& detail) {
    const std::string target = authority_of(to), who = "proxy " + to.proxy.to_string();
    std::string head;
    head.reserve(256 + 2 * target.size() + to.proxy.authorization.view().size());  // growing would leave copies
    const cleansed_at_end wipe{head};
    head.append("CONNECT ").append(target).append(" HTTP/1.1\r\nHost: ").append(target);
    head += "\r\nUser-Agent: spillway/" SPILLWAY_VERSION;
    if (!to.proxy.authorization.empty())
        head.append("\r\nProxy-Authorization: ").append(to.proxy.authorization.view());
    head += "\r\n\r\n";
    io_result r = co_await io.write_all(head, deadline, by);
    std::string got;
    std::size_t total = 0;  // with interim answers
    http::response_head parsed;
    while (r.ok()) {
        char room[2048];
        r = co_await io.read_some(room, deadline, by);
        if (!r.ok()) break;
        got.append(room, r.bytes);
        total += r.bytes;
        std::size_t end = http::find_head_end(got);
        while (end != http::npos) {
            const auto error = http::parse_response(std::string_view(got).substr(0, end),
                                                    {most_head, http::field_table::capacity}, false, parsed);
            if (error != http::head_error::none) {
                detail = who + " answered what is no HTTP";
                co_return connect_error::connect;
            }
            if (parsed.status >= 200) break;
            got.erase(0, end);
            end = http::find_head_end(got);
        }
        if (end == http::npos && total <= most_head) continue;
        if (end == http::npos) {
            detail = who + " answered with a head that is too long";
            co_return connect_error::connect;
        }
        if (parsed.status >= 300) {
            detail = who + " refuses a tunnel to " + target + " with status " + std::to_string(parsed.status) +
                     std::string(meaning_of(parsed.status));
            co_return connect_error::connect;
        }
        if (got.size() > end) {
            // The server speaks second, with TLS and without: these bytes could only pass for an answer of its.
            detail = who + " sent bytes into the tunnel to " + target;
            co_return connect_error::connect;
        }
        co_return connect_error::none;
    }
    detail = who + (r.status == io_status::timed_out ? " did not open a tunnel to " + target + " in time"
                                                     : " closed the connection instead of a tunnel to " + target);
    co_return error_of(r.status);
}

}  // namespace spillway::net
