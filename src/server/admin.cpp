#include <spillway/server/admin.hpp>

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <unistd.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <nlohmann/json.hpp>

#include <spillway/base/text.hpp>
#include <spillway/http/local_reply.hpp>
#include <spillway/http/target.hpp>
#include <spillway/net/address.hpp>
#include <spillway/proxy/health_paths.hpp>
#include <spillway/server/explain.hpp>
#include <spillway/server/health.hpp>
#include <spillway/server/status.hpp>

#include "admin_door.hpp"
#include "page_assets.hpp"
#include "page_events.hpp"
#include "page_guard.hpp"

namespace spillway::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using tcp = asio::ip::tcp;
using digest = std::array<std::uint8_t, SHA256_DIGEST_LENGTH>;
using request = admin_door::request;
using response = admin_door::response;

digest digest_of(std::string_view s) {
    digest out{};
    SHA256(reinterpret_cast<const unsigned char*>(s.data()), s.size(), out.data());
    return out;
}

std::string_view view(beast::string_view s) { return {s.data(), s.size()}; }

std::string_view path_of(const request& r) { return http::split_target(view(r.target())).path; }
std::string_view query_of(const request& r) { return http::split_target(view(r.target())).query; }

}  // namespace

// Shared with its guests, so that one that outlives a reconfiguration still has what it needs.
struct admin::listening {
    listening(asio::io_context& io, state& what, descriptor_reserve& reserve)
        : door(std::make_shared<admin_door>(io, reserve)),
          of(what),
          streams(std::make_shared<event_streams>(io, [&what] { return page_text(what, clock::now()); })) {}

    std::shared_ptr<admin_door> door;
    state& of;
    std::shared_ptr<event_streams> streams;
    std::string address;
    std::vector<digest> keys;

    bool admits(const request& r) const {
        if (keys.empty()) return true;
        std::string_view given = view(r["api-key"]);
        const auto authorization = view(r[bhttp::field::authorization]);
        if (given.empty() && text::istarts_with(authorization, "Bearer "))
            given = text::trim(authorization.substr(7));
        const digest d = digest_of(given);
        bool found = false;
        // Every key is compared, so that time tells nothing about which one was near.
        for (const auto& k : keys) found = text::constant_time_equal(k, d) || found;
        return found;
    }

    // A listener without a key trusts every client, so it must not be reached under a foreign name.
    bool trusts_host(const request& r) const { return !keys.empty() || is_own_host(view(r[bhttp::field::host])); }
    // Takes the connection over when the request is for the events and may have them.
    bool begin_events(const request& r, beast::tcp_stream& connection) {
        if (r.method() != bhttp::verb::get || path_of(r) != "/events" || !trusts_host(r) || !admits(r) ||
            !door->is_open() || streams->full())
            return false;
        streams->add(std::move(connection));
        return true;
    }
    void close() noexcept {
        door->close();
        streams->close_all();
    }

    response answer(const request& r);
    response dispatch(const request& r, std::string_view path);
    response health(const request& r, std::string_view path) const;
    response routes() const;
    response reset_quota(const request& r);
    response explain(const request& r, time_point now) const;
};

namespace {

// The page loads and asks nothing but this listener, and takes no text for markup.
constexpr const char* content_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

response make(int status, std::string_view type, std::string body) {
    response out;
    out.result(static_cast<unsigned>(status));
    out.set(bhttp::field::content_type, beast::string_view(type.data(), type.size()));
    out.set(bhttp::field::cache_control, "no-store");
    out.set("X-Content-Type-Options", "nosniff");
    out.set("Referrer-Policy", "no-referrer");
    out.set("Cross-Origin-Resource-Policy", "same-origin");
    out.set("Content-Security-Policy", content_policy);
    out.body() = std::move(body);
    return out;
}

response refuse(int status, std::string_view code, std::string_view message) {
    return make(status, "application/json", http::error_body(status, code, message));
}

constexpr std::string_view overview =
    "spillway admin\n"
    "GET  /               in a browser: the live page\n"
    "GET  /status         routes, pools, backends, breakers (JSON)\n"
    "GET  /explain?client=NAME&deployment=NAME\n"
    "                     what would become of a request now, and why (spillway explain --running)\n"
    "GET  /events         what the live page shows, each second (server-sent events)\n"
    "GET  /metrics        Prometheus\n"
    "GET  /config         hash, reloads, last issues (JSON)\n"
    "POST /config/reload  read the configuration again\n"
    "POST /quotas/reset?holder=client:NAME\n"
    "                     forget what Redis and other gateways say of it (spillway quotas reset)\n"
    "GET  /health/routes  which routes serve (JSON)\n"
    "GET  /health/live, /health/ready, /health/routes/{name} and what else probes ask of listeners\n";

}  // namespace

// Probes carry no key and are told no more than they ask for.
response admin::listening::health(const request& r, std::string_view path) const {
    if (r.method() != bhttp::verb::get && r.method() != bhttp::verb::head)
        return refuse(405, "MethodNotAllowed", "Probes use GET or HEAD.");
    if (path == proxy::live_path) return make(200, "text/plain", "ok\n");
    if (path.starts_with(proxy::route_health_prefix)) {
        const auto s = of.current();
        const auto route = proxy::route_asked(*s, path);
        if (!route) return make(404, "text/plain", "no such route\n");
        const auto now = clock::now();
        const bool serves = is_route_ready(*s, *route, now) && !of.draining();
        if (trusts_host(r) && admits(r))
            return make(serves ? 200 : 503, "application/json", proxy::route_details(*s, *route, serves, true, now));
        return make(serves ? 200 : 503, "text/plain", serves ? "ok\n" : "unavailable\n");
    }
    std::string body = of.ready() ? "ok\n" : "unavailable\n";
    if (trusts_host(r) && admits(r))
        for (const auto& line : attention(of)) body += line + "\n";
    return make(of.ready() ? 200 : 503, "text/plain", std::move(body));
}

response admin::listening::routes() const {
    const auto s = of.current();
    const auto now = clock::now();
    std::string body = "{\"routes\":[";
    for (std::size_t i = 0; i < s->route_names.size(); ++i) {
        body += i == 0 ? "" : ",";
        body += proxy::route_details(*s, i, is_route_ready(*s, i, now) && !of.draining(), true, now);
    }
    return make(200, "application/json", body + "]}");
}

response admin::listening::answer(const request& r) {
    const auto path = path_of(r);
    const bool reads = r.method() == bhttp::verb::get || r.method() == bhttp::verb::head;
    if (path == proxy::live_path || proxy::is_ready_path(path) || path.starts_with(proxy::route_health_prefix))
        return health(r, path);
    // The page holds no data: it asks for the key itself.
    const bool wants_page = path != "/" || view(r[bhttp::field::accept]).find("text/html") != std::string_view::npos;
    if (const auto* asset = find_page_asset(path); asset != nullptr && reads && wants_page)
        return make(200, asset->type, std::string(asset->body));
    if (!trusts_host(r))
        return refuse(403, "ForeignHost",
                      "Without admin.keys this listener answers only to its address or to localhost as Host.");
    if (!admits(r))
        return refuse(401, "401",
                      "The admin listener wants one of its keys as `Authorization: Bearer` or `api-key`.");
    return dispatch(r, path);
}

response admin::listening::explain(const request& r, time_point now) const {
    const auto asked = read_question(query_of(r));
    if (!asked) return refuse(asked.error().status, asked.error().code, asked.error().message);
    const auto told = explain_text(of.configuration().tree, *of.current(), *asked, explain_mode::running, now);
    if (!told) return refuse(told.error().status, told.error().code, told.error().message);
    return make(200, "application/json", *told);
}

// Names of holders are letters, digits and `-_.:/`, which a query holds as they are.
response admin::listening::reset_quota(const request& r) {
    const auto query = query_of(r);
    constexpr std::string_view name = "holder=";
    if (!query.starts_with(name) || query.size() == name.size())
        return refuse(400, "HolderMissing", "Name the holder: POST /quotas/reset?holder=client:NAME.");
    std::string holder(query.substr(name.size()));
    if (!of.reset_quota(holder)) {
        if (!of.reset_quota("client:" + holder))
            return refuse(404, "HolderUnknown",
                          "No client, group or pool quota has that name; `quotas` of GET /status "
                          "lists them.");
        holder = "client:" + holder;
    }
    const auto store = of.quota_store()->look();
    const nlohmann::json told{{"reset", holder}, {"store", store.kind}, {"up", store.up}};
    return make(200, "application/json", told.dump());
}

response admin::listening::dispatch(const request& r, std::string_view path) {
    const bool reads = r.method() == bhttp::verb::get || r.method() == bhttp::verb::head;
    const auto wrong_method = [](std::string_view wanted) {
        return refuse(405, "MethodNotAllowed", "This path wants " + std::string(wanted) + ".");
    };
    const auto is_own_page = [&r] {
        return is_same_origin(view(r[bhttp::field::host]), view(r[bhttp::field::origin]), view(r["Sec-Fetch-Site"]));
    };
    if (path == "/config/reload") {
        if (r.method() != bhttp::verb::post) return wrong_method("POST");
        if (!is_own_page())
            return refuse(403, "ForeignOrigin", "Pages of other origins may not reload the configuration.");
        const bool good = of.reload("admin");
        return make(good ? 200 : 409, "application/json", config_text(of));
    }
    if (path == "/quotas/reset") {
        if (r.method() != bhttp::verb::post) return wrong_method("POST");
        if (!is_own_page()) return refuse(403, "ForeignOrigin", "Pages of other origins may not reset quotas.");
        return reset_quota(r);
    }
    const auto now = clock::now();
    if (path == "/status") return reads ? make(200, "application/json", status_text(of, now)) : wrong_method("GET");
    if (path == "/explain") return reads ? explain(r, now) : wrong_method("GET");
    if (path == "/health/routes") return reads ? routes() : wrong_method("GET");
    if (path == "/config") return reads ? make(200, "application/json", config_text(of)) : wrong_method("GET");
    if (path == "/events")
        return r.method() == bhttp::verb::get
                   ? refuse(503, "TooManyStreams", "As many pages are open as this listener serves at the same time.")
                   : wrong_method("GET");
    if (path == "/") return reads ? make(200, "text/plain", std::string(overview)) : wrong_method("GET");
    if (path == "/metrics") {
        if (!reads) return wrong_method("GET");
        const auto stats = of.worker_stats();
        return make(200, "text/plain; version=0.0.4", stats::expose(of.labels(), stats, server_metrics(of, now)));
    }
    return refuse(404, "NotFound", "There is no such path; GET / lists what there is.");
}

// What a configuration wants, ready to serve and not yet serving.
struct admin::prepared {
    std::vector<digest> keys;
    std::shared_ptr<listening> anew;  // null: the address stays
};

admin::admin(asio::io_context& io, state& of, descriptor_reserve& reserve) : io_(io), state_(of), reserve_(reserve) {}
admin::~admin() { stop(); }

void admin::stop() noexcept {
    if (!listening_) return;
    listening_->close();
    listening_.reset();
}

std::optional<fault> admin::trouble_with_keys(const config::admin& from, file_rule files) {
    for (const auto& k : from.keys) {
        const bool absent =
            k.where() == config::secret_ref::kind::file && ::access(std::string(k.place()).c_str(), R_OK) != 0;
        if (files == file_rule::if_there && absent) continue;
        if (const auto secret = config::resolve_line(k); !secret) return secret.error();
    }
    return std::nullopt;
}

result<std::shared_ptr<admin::prepared>> admin::prepare(const config::admin& from) {
    auto out = std::make_shared<prepared>();
    for (const auto& k : from.keys) {
        auto secret = config::resolve_line(k);
        if (!secret) return secret.error();
        digest d{};
        constexpr std::string_view prefix = "sha256:";
        if (!secret->starts_with(prefix) || !text::from_hex(std::string_view(*secret).substr(prefix.size()), d))
            d = digest_of(*secret);
        OPENSSL_cleanse(secret->data(), secret->size());
        out->keys.push_back(d);
    }
    if (listening_ && listening_->address == from.address) return out;
    const auto at = net::address::parse(from.address);
    if (!at) return at.error();
    beast::error_code ec;
    const auto ip = asio::ip::make_address(at->ip(), ec);
    out->anew = std::make_shared<listening>(io_, state_, reserve_);
    auto& acceptor = out->anew->door->acceptor();
    const tcp::endpoint endpoint(ip, at->port());
    const auto step = [&](auto&& f) {
        if (!ec) f();
    };
    step([&] { acceptor.open(endpoint.protocol(), ec); });
    step([&] { acceptor.set_option(asio::socket_base::reuse_address(true), ec); });
    step([&] { acceptor.bind(endpoint, ec); });
    step([&] { acceptor.listen(256, ec); });
    if (ec)
        return fault{
            .code = "admin_address",
            .message = "cannot listen on " + from.address + ": " + ec.message() + ". Choose another admin.address"};
    out->anew->address = from.address;
    return out;
}

void admin::adopt(std::shared_ptr<prepared> next) {
    if (!next->anew) {
        // Streams may have been opened with a key that is gone.
        if (listening_->keys != next->keys) listening_->streams->close_all();
        listening_->keys = std::move(next->keys);
        return;
    }
    stop();
    listening_ = std::move(next->anew);
    listening_->keys = std::move(next->keys);
    admin_door::callbacks to;
    to.answer = [l = listening_](const request& r) { return l->answer(r); };
    to.knows = [l = listening_](const request& r) { return l->trusts_host(r) && l->admits(r); };
    to.take_over = [l = listening_](const request& r, beast::tcp_stream& c) { return l->begin_events(r, c); };
    to.followed = [&of = state_] { return of.followed(); };
    listening_->door->open(std::move(to));
}

}  // namespace spillway::server
