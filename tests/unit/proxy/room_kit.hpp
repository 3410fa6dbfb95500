#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "../../../src/proxy/setting.hpp"

// Where a room of an exchange can be tested without a server: a worker on the test's thread, a session on a pair of
// sockets, and a small configuration. Two clients, `shop` with the key "shop-key" and `lab` with "lab-key"; one pool
// `gpt` of two backends on two instances; one route, gpt-4o for shop.
namespace spillway::proxy {

class room_kit {
public:
    room_kit() : worker_(0, 1, process_, stats_, labels_, [](std::string&&) {}) {
        config->tree = tree;
        auto l = std::make_shared<listener>();
        l->name = "main";
        l->from = {tree, &settings()};
        l->open = std::make_shared<std::atomic<std::size_t>>(0);
        door = l;
        for (const char* name : {"shop", "lab"}) {
            client c;
            c.name = name;
            c.owner = "client:" + c.name;
            c.body_bytes = std::make_shared<std::atomic<std::size_t>>(0);
            config->clients.push_back(std::move(c));
        }
        config->listeners.push_back(l);
        config->keys.add(worker_.sha256("shop-key"), 0);
        config->keys.add(worker_.sha256("lab-key"), 1);
        config->key_labels = {"", ""};
        pool p;
        p.name = "gpt";
        p.state = std::make_shared<shared_pool>(0.2);
        for (const char* name : {"one", "two"}) {
            instance i;
            i.name = name;
            i.to.host = "127.0.0.1";
            i.host_field = "one.example";
            i.auth_name = "api-key";
            i.auth_value = secret_text(std::string("instance-key"));
            i.state = std::make_shared<breaker_state>(p.breaker);
            backend b;
            b.name = std::string(name) + "/d";
            b.instance = config->instances.size();
            b.deployment = std::string("d-") + name;
            b.model_json = "\"" + b.deployment + "\"";
            b.model_member = "\"model\":" + b.model_json + ",";
            b.state = std::make_shared<shared_backend>(p.breaker);
            p.backends.push_back(std::move(b));
            config->instances.push_back(std::move(i));
        }
        config->pools.push_back(std::move(p));
        add_route("gpt-4o", {0});
        tree->usage.emplace();
        config->counts_tokens = true;
    }
    ~room_kit() {
        if (peer_ >= 0) ::close(peer_);
    }
    room_kit(const room_kit&) = delete;
    room_kit& operator=(const room_kit&) = delete;

    void drop_routes() {
        rules_.clear();
        config->route_names.clear();
        tree->routes.clear();
    }
    void add_route(const std::string& deployment, std::vector<std::size_t> clients, std::size_t to_pool = 0) {
        core::route_rule r;
        r.clients = std::move(clients);
        r.deployment = deployment;
        r.pools.push_back({to_pool, 1});
        r.name = "route-" + std::to_string(rules_.size());
        config->route_names.push_back(r.name);
        tree->routes.emplace_back();
        rules_.push_back(std::move(r));
    }

    // Instances keep objects from here on. Tags may name one that this gateway does not have: `old`, by its number 2.
    void keep_objects() {
        tree->affinity.emplace();
        const std::vector<identity::tag_key> keys{{1, secret_text(std::string("a-secret-for-tags"))}};
        const std::vector<std::string> here{"one", "two"}, all{"one", "two", "old"};
        config->tags = std::make_shared<const identity::tag_ring>(identity::tag_ring::make(keys, here).value());
        tags_of_all_.emplace(identity::tag_ring::make(keys, all).value());
    }
    // An id as the gateway gives it to a client.
    std::string tagged(std::string id, std::size_t instance = 0, std::string_view owner = "client:shop") const {
        tags_of_all_->append(id, std::string(id), instance, owner);
        return id;
    }
    std::string marked(std::string_view reasoning, std::size_t instance = 0,
                       std::string_view owner = "client:shop") const {
        std::string out;
        tags_of_all_->append_mark(out, reasoning, instance, owner);
        return out.append(reasoning);
    }

    // The configuration is complete from here on. `bytes` have come from the client.
    setting& begin(std::string_view bytes) {
        config->router = core::router(rules_, config->clients.size());
        auto serving = std::make_shared<worker_snapshot>();
        serving->shared = config;
        serving->bearers.resize(config->instances.size());
        for (const auto& i : config->instances)
            serving->upstreams.push_back(std::make_shared<net::upstream>(worker_.loop(), i.to, i.connections));
        for (const auto& p : config->pools) serving->balancers.push_back(core::make_balancer_state(p.plan));
        worker_.serve_by(std::move(serving));
        int ends[2] = {-1, -1};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        peer_ = ends[1];
        connection_.emplace(worker_, door, ends[0], peer);
        at_.emplace(*connection_);
        send(bytes);
        return *at_;
    }
    void send(std::string_view bytes) {
        EXPECT_EQ(::send(peer_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
    }
    // What begin() has made, once more.
    setting& again() { return *at_; }
    std::string input() { return std::string(connection_->input().view()); }
    void hang_up() { ::close(std::exchange(peer_, -1)); }
    // What the client has got so far.
    std::string received() {
        std::string out(65536, '\0');
        const auto n = ::recv(peer_, out.data(), out.size(), MSG_DONTWAIT);
        out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return out;
    }

    // Runs work that has all that it waits for.
    template <class T>
    T run(net::task<T> work) {
        std::optional<T> out;
        net::spawn(keep(std::move(work), out), [](std::exception_ptr e) { EXPECT_FALSE(e); });
        EXPECT_TRUE(out) << "it waits";
        return out ? std::move(*out) : T{};
    }
    void run(net::task<void> work) {
        bool done = false;
        net::spawn(std::move(work), [&done](std::exception_ptr e) {
            EXPECT_FALSE(e);
            done = true;
        });
        EXPECT_TRUE(done) << "it waits";
    }

    // What the client's listener is configured to, and all the rest.
    config::listener& settings() { return tree->listeners["main"]; }
    std::shared_ptr<config::tree> tree{std::make_shared<config::tree>()};
    std::shared_ptr<snapshot> config{std::make_shared<snapshot>()};
    std::shared_ptr<listener> door;
    net::address peer{*net::address::parse("192.0.2.7:1234")};
    worker_tools& worker() noexcept { return worker_; }
    process_state& process() noexcept { return process_; }

private:
    template <class T>
    static net::task<void> keep(net::task<T> work, std::optional<T>& out) {
        out = co_await std::move(work);
    }

    process_state process_;
    stats::worker_stats stats_;
    stats::label_table labels_;
    worker_tools worker_;
    std::vector<core::route_rule> rules_;
    std::optional<identity::tag_ring> tags_of_all_;
    std::optional<connection> connection_;
    std::optional<setting> at_;
    int peer_{-1};
};

inline std::string get(std::string_view target, std::string_view method = "GET",
                       std::string_view fields = "api-key: shop-key\r\n") {
    return std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nhost: gateway\r\n" + std::string(fields) +
           "\r\n";
}

inline std::string post(std::string_view path, std::string_view body,
                        std::string_view fields = "api-key: shop-key\r\n") {
    return "POST " + std::string(path) + " HTTP/1.1\r\nhost: gateway\r\n" + std::string(fields) +
           "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace spillway::proxy
