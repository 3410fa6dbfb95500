#include <spillway/net/fetch.hpp>

#include <algorithm>

#include <spillway/http/writer.hpp>

#include "cleansed_at_end.hpp"
#include "incoming_answer.hpp"

namespace spillway::net {
namespace {

fault failed(const io_result& r) {
    switch (r.status) {
        case io_status::timed_out: return fetch_fault("FetchTimeout", "no answer in time");
        case io_status::interrupted: return fetch_fault("FetchInterrupted", "interrupted");
        default: return fetch_fault("FetchFailed", "the connection broke before the answer was complete");
    }
}

// The request's head, written into `room`, which never grows: that would leave copies of secrets behind. Parts of it
// come from others (discovery documents, metadata services, the environment), and the writer takes nothing that would
// break the head apart. Empty: a part cannot be in a head.
std::string_view compose_head(const fetch_request& asked, const http::endpoint_url& to, std::string_view query,
                              std::string& room) {
    constexpr std::size_t most_head = 32 * 1024;
    room.resize(most_head);
    if (query.find('#') != std::string_view::npos) return {};
    http::head_writer head(room);
    head.request_line(asked.method, to.prefix.empty() ? std::string_view("/") : to.prefix, !query.empty(),
                      query.substr(std::min<std::size_t>(query.size(), 1)));
    head.field("Host", to.host_field);
    head.field("Accept", "application/json");
    head.field("User-Agent", "spillway/" SPILLWAY_VERSION);
    for (const auto& [name, value] : asked.fields) head.field(name, value);
    if (asked.method == "POST") head.field("Content-Length", std::uint64_t{asked.body.size()});
    head.end();
    return head.ok() ? head.written() : std::string_view();
}

}  // namespace

fetcher::fetcher(loop& l)
    : loop_(l), resolver_([this](const std::string& host, const address_list& found) {
          loop_.post([this, host, found] {
              for (auto& [key, t] : targets_)
                  if (t.host == host) t.to->set_addresses(found);
          });
      }) {}

fetcher::~fetcher() = default;

void fetcher::use_proxies(proxy_rules rules) {
    if (rules == proxies_) return;
    proxies_ = std::move(rules);
    ++proxies_round_;
}

upstream& fetcher::target_of(const http::endpoint_url& url, const ssl_ctx_ptr& tls, bool direct) {
    const auto* through = direct ? nullptr : proxies_.choose(url.tls, url.host, url.port);
    std::string key =
        url.host + ":" + std::to_string(url.port) + ":" + std::to_string(reinterpret_cast<std::uintptr_t>(tls.get()));
    // A fetch may still be on its way by an earlier proxy, so that target stays.
    if (through != nullptr) key += ":" + std::to_string(proxies_round_);
    auto& t = targets_[key];
    if (!t.to) {
        endpoint to;
        to.host = url.host;
        to.port = url.port;
        to.tls = tls;
        if (through != nullptr) to.proxy = *through;
        t.host = to.dial_host();
        hosts_[t.host] = seconds(30);
        t.to = std::make_unique<upstream>(loop_, std::move(to), upstream_limits{});
        resolver_.watch(hosts_);
    }
    return *t.to;
}

task<result<fetched>> fetcher::fetch(const fetch_request& asked, interrupt* by) {
    const auto url_end = asked.url.find('?');
    const auto url = http::parse_endpoint_url(asked.url.substr(0, url_end));
    if (!url || (url->tls && !asked.tls))
        co_return fetch_fault("FetchUrl", "the address is no URL that can be asked");
    const auto query =
        url_end == std::string::npos ? std::string_view() : std::string_view(asked.url).substr(url_end);
    std::string room;
    const cleansed_at_end wipe{room};
    const std::string_view head = compose_head(asked, *url, query, room);
    if (head.empty())
        co_return fetch_fault("FetchUrl",
                              "the request would hold what no request can carry, or is longer than 32 KiB");
    const time_point deadline = clock::now() + asked.timeout;
    auto& to = target_of(*url, url->tls ? asked.tls : ssl_ctx_ptr{}, asked.direct);
    // A fresh connection each time: minutes lie between two requests, and a stale one would cost a failure.
    auto opened = co_await to.acquire(true, asked.timeout, by);
    if (opened.error == connect_error::interrupted) co_return fetch_fault("FetchInterrupted", "interrupted");
    if (opened.error != connect_error::none) co_return fetch_fault("FetchConnect", opened.detail);
    const auto connection = std::move(opened.connection);
    const std::string_view body = asked.method == "POST" ? std::string_view(asked.body) : std::string_view();
    auto answer = co_await ask_once(*connection, head, body, asked.most_bytes, deadline, by);
    connection->io.close(true);
    co_return answer;
}

task<result<fetched>> ask_once(upstream_connection& c, std::string_view head, std::string_view body,
                               std::size_t most_bytes, time_point deadline, interrupt* by) {
    io_result r = co_await c.io.write_all(head, deadline, by);
    if (r.ok() && !body.empty()) r = co_await c.io.write_all(body, deadline, by);
    // A refusal may come before everything was taken; reading tells.
    if (!r.ok() && r.status != io_status::closed && r.status != io_status::failed) co_return failed(r);
    incoming_answer answer(most_bytes);
    while (!answer.done()) {
        r = co_await c.io.read_some(answer.room(), deadline, by);
        if (r.ok() && clock::now() >= deadline) r.status = io_status::timed_out;  // bytes without end are no answer
        if (r.status == io_status::closed && answer.end()) break;
        if (!r.ok()) co_return failed(r);
        if (auto trouble = answer.take(r.bytes)) co_return std::move(*trouble);
    }
    auto got = answer.release();
    fetched out;
    out.status = got.status;
    out.head = std::move(got.head);
    out.body = std::move(got.body);
    out.retry_after = std::move(got.retry_after);
    co_return result<fetched>(std::move(out));
}

}  // namespace spillway::net
