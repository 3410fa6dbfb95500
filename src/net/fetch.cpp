#include <spillway/net/fetch.hpp>

#include <algorithm>

#include <spillway/http/framing.hpp>
#include <spillway/http/head.hpp>
#include <spillway/http/writer.hpp>

#include "cleansed_at_end.hpp"

namespace spillway::net {
namespace {

fault failed(std::string_view code, std::string message) {
    return {.code = code, .who = origin::upstream, .status = 502, .message = std::move(message)};
}

fault failed(const io_result& r) {
    switch (r.status) {
        case io_status::timed_out: return failed("FetchTimeout", "no answer in time");
        case io_status::interrupted: return failed("FetchInterrupted", "interrupted");
        default: return failed("FetchFailed", "the connection broke before the answer was complete");
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
    if (!url || (url->tls && !asked.tls)) co_return failed("FetchUrl", "the address is no URL that can be asked");
    const auto query =
        url_end == std::string::npos ? std::string_view() : std::string_view(asked.url).substr(url_end);
    std::string room;
    const cleansed_at_end wipe{room};
    const std::string_view head = compose_head(asked, *url, query, room);
    if (head.empty())
        co_return failed("FetchUrl", "the request would hold what no request can carry, or is longer than 32 KiB");
    const time_point deadline = clock::now() + asked.timeout;
    auto& to = target_of(*url, url->tls ? asked.tls : ssl_ctx_ptr{}, asked.direct);
    // A fresh connection each time: minutes lie between two requests, and a stale one would cost a failure.
    auto opened = co_await to.acquire(true, asked.timeout, by);
    if (opened.error == connect_error::interrupted) co_return failed("FetchInterrupted", "interrupted");
    if (opened.error != connect_error::none) co_return failed("FetchConnect", opened.detail);
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
    constexpr std::size_t most_head = 64 * 1024;
    std::size_t interim = 0;
    std::string got;
    const cleansed_at_end wipe{got};
    char room[8192];
    http::response_head parsed;
    std::size_t head_end = http::npos;
    while (head_end == http::npos) {
        r = co_await c.io.read_some(room, deadline, by);
        if (r.ok() && clock::now() >= deadline) r.status = io_status::timed_out;  // bytes without end are no answer
        if (!r.ok()) co_return failed(r);
        got.append(room, r.bytes);
        while ((head_end = http::find_head_end(got)) != http::npos) {
            const auto error = http::parse_response(std::string_view(got).substr(0, head_end),
                                                    {most_head, http::field_table::capacity}, false, parsed);
            if (error != http::head_error::none) co_return failed("FetchFailed", "the answer is no HTTP");
            if (parsed.status >= 200) break;
            if (++interim > http::most_interim_heads) co_return failed("FetchFailed", "interim answers without end");
            got.erase(0, head_end);
        }
        if (head_end == http::npos && got.size() > most_head)
            co_return failed("FetchTooLarge", "the head is too long");
    }
    fetched out;
    out.status = parsed.status;
    out.head = got.substr(0, head_end);
    out.retry_after = parsed.fields.value(http::field_id::retry_after);
    http::body_scanner frame(parsed);
    const auto take = [&](std::string_view payload) { out.body.append(payload); };
    frame.feed(std::string_view(got).substr(head_end), take);
    // What frames a body may be longer than the body, but not without end.
    const std::size_t most_framed = 8 * most_bytes + most_head;
    std::size_t framed = got.size();
    while (!frame.done()) {
        if (frame.failed() || out.body.size() > most_bytes || framed > most_framed) break;
        r = co_await c.io.read_some(room, deadline, by);
        if (r.status == io_status::closed) {
            if (!frame.finish()) co_return failed(r);
            break;
        }
        if (r.ok() && clock::now() >= deadline) r.status = io_status::timed_out;
        if (!r.ok()) co_return failed(r);
        frame.feed(std::string_view(room, r.bytes), take);
        framed += r.bytes;
    }
    ::explicit_bzero(room, sizeof room);
    if (frame.failed()) co_return failed("FetchFailed", "the answer's framing is broken");
    if (out.body.size() > most_bytes || framed > most_framed)
        co_return failed("FetchTooLarge", "the answer is too long");
    co_return result<fetched>(std::move(out));
}

}  // namespace spillway::net
