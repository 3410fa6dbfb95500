#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/base/secret_text.hpp>
#include <spillway/http/endpoint_url.hpp>
#include <spillway/net/resolver.hpp>
#include <spillway/net/upstream.hpp>

namespace spillway::net {

// One small request of the gateway itself: a token, a set of keys.
struct fetch_request {
    std::string method{"GET"};
    std::string url;  // http:// or https://, with query
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;  // of a POST
    ssl_ctx_ptr tls;   // for https://
    duration timeout{seconds(10)};
    std::size_t most_bytes{1024 * 1024};  // of the answer's body
    bool direct{false};                   // never through a proxy: what only this machine or network can reach
};

struct fetched {
    int status{0};
    std::string head;  // as it came
    std::string body;
    std::string retry_after;
};

// Sends a whole request on a connection and reads the whole answer. Faults: `FetchFailed`, `FetchTimeout`,
// `FetchTooLarge`, `FetchInterrupted`.
task<result<fetched>> ask_once(upstream_connection& c, std::string_view head, std::string_view body,
                               std::size_t most_bytes, time_point deadline, interrupt* by);

// Asks other services on behalf of the gateway, on one loop, never blocking it. Requests and answers may hold
// secrets, so their memory is overwritten afterwards. Belongs to its loop's thread.
class fetcher {
public:
    explicit fetcher(loop& l);
    ~fetcher();
    fetcher(const fetcher&) = delete;
    fetcher& operator=(const fetcher&) = delete;

    // Faults: `FetchUrl`, `FetchConnect`, `FetchFailed`, `FetchTimeout`, `FetchTooLarge`, `FetchInterrupted`.
    // Redirections are not followed: a server that redirects is not the one asked.
    task<result<fetched>> fetch(const fetch_request& asked, interrupt* by);
    loop& owner() noexcept { return loop_; }
    // For connections from now on. Without a call there is no proxy.
    void use_proxies(proxy_rules rules);

private:
    upstream& target_of(const http::endpoint_url& url, const ssl_ctx_ptr& tls, bool direct);

    loop& loop_;
    proxy_rules proxies_;
    unsigned proxies_round_{0};  // grows when they change
    struct target {
        std::string host;  // to resolve
        std::unique_ptr<upstream> to;
    };
    std::map<std::string, target> targets_;
    std::map<std::string, duration> hosts_;
    resolver resolver_;  // last: its threads post to the loop
};

}  // namespace spillway::net
