#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../../../src/proxy/answer/relay.hpp"
#include "room_kit.hpp"

// The rooms behind the request: attempts, answer and reply, with backends that follow a script.
namespace spillway::proxy {

// One backend on the worker's own loop. Its connections are pairs of sockets that lie ready as idle ones; for each
// request that comes it does the next step of its script, and keeps silent when there is none.
class scripted_backend {
public:
    explicit scripted_backend(net::loop& l) : loop_(l) {}
    ~scripted_backend() { stop_.fire(); }
    scripted_backend(const scripted_backend&) = delete;
    scripted_backend& operator=(const scripted_backend&) = delete;

    void answers(std::string bytes) { script_.push_back({std::move(bytes), false, {}}); }
    // Says that, and ends the connection.
    void hangs_up(std::string bytes = {}) { script_.push_back({std::move(bytes), true, {}}); }
    void does(std::function<void()> what) { script_.push_back({{}, false, std::move(what)}); }

    // `used`: the connection has carried a request before.
    void connect(net::upstream& to, bool used = false) {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        auto c = std::make_unique<net::upstream_connection>(loop_, to);
        c->io.open(ends[0]);
        to.release(std::move(c), true);
        if (used) to.release(to.take_idle(), true);
        auto& io = *connections_.emplace_back(std::make_unique<net::stream>(loop_));
        io.open(ends[1]);
        net::spawn(serve(io), [](std::exception_ptr e) { EXPECT_FALSE(e); });
    }
    // Between two steps, on the connection that came last. How much the gateway has room for.
    std::size_t says(std::string_view bytes) {
        const net::io_result r = connections_.back()->try_write(bytes);
        return r.ok() ? r.bytes : 0;
    }
    void breaks_off() { connections_.back()->close(); }

    const std::vector<std::string>& requests() const noexcept { return requests_; }
    // Connections that the gateway has ended.
    int left_alone() const noexcept { return left_alone_; }

private:
    struct step {
        std::string says;
        bool ends{false};
        std::function<void()> then;
    };

    static bool is_whole(std::string_view request) {
        const auto end = request.find("\r\n\r\n");
        if (end == std::string_view::npos) return false;
        const auto length = request.find("content-length: ");
        return length > end || request.size() >= end + 4 + std::stoul(std::string(request.substr(length + 16)));
    }
    net::task<> serve(net::stream& io) {
        std::string in, room(16384, '\0');
        for (;;) {
            while (!is_whole(in)) {
                const net::io_result r = co_await io.read_some(room, time_point::max(), &stop_);
                if (r.status == net::io_status::closed || r.status == net::io_status::failed) ++left_alone_;
                if (!r.ok()) co_return;
                in.append(room, 0, r.bytes);
            }
            requests_.push_back(std::exchange(in, {}));
            if (script_.empty()) continue;
            const step s = std::move(script_.front());
            script_.pop_front();
            if (s.then) s.then();
            if (!s.says.empty()) co_await io.write_all(s.says, time_point::max(), &stop_);
            if (!s.ends) continue;
            io.close();
            co_return;
        }
    }

    net::loop& loop_;
    net::interrupt stop_;
    std::deque<step> script_;
    std::vector<std::string> requests_;
    std::vector<std::unique_ptr<net::stream>> connections_;
    int left_alone_{0};
};

class exchange_kit : public room_kit {
public:
    static constexpr std::string_view path = "/openai/v1/chat/completions";
    static constexpr std::string_view plain = R"({"model":"gpt-4o","messages":[]})";
    static constexpr std::string_view streaming = R"({"model":"gpt-4o","messages":[],"stream":true})";

    // The first backend is asked first, the second one when the first does not serve.
    exchange_kit() {
        const core::plan_member order[] = {{1, 1, 0}, {2, 1, 0}};
        config->pools[0].plan = core::make_plan(order, config::preference::none, &core::weighted_random);
        for (auto& i : config->instances) i.connections.max_age = hours(24 * 3650);
        config->clients[0].served_by_headers = true;
    }
    ~exchange_kit() { tried.reset(); }

    // A request that has come as far as its attempts. Each backend has one connection, unless `connected` is false.
    void ask(std::string_view body = plain, std::string_view fields = "api-key: shop-key\r\n",
             bool connected = true) {
        ask_bytes(post(path, body, fields), connected);
    }
    void ask_bytes(std::string_view bytes, bool connected = true) {
        auto& at = begin(bytes);
        asked.emplace(at);
        EXPECT_EQ(run(asked->read_head()), request::arrival::complete);
        EXPECT_FALSE(asked->understand());
        EXPECT_FALSE(asked->classify());
        who.emplace(at);
        EXPECT_FALSE(who->identify(*asked));
        EXPECT_TRUE(asked->body.is_here());
        EXPECT_FALSE(asked->read_terms());
        way.emplace(at);
        EXPECT_FALSE(way->find(*asked, *who));
        make_rooms(at);
        for (std::size_t i = 0; i < 2; ++i) {
            upstream(i).set_addresses({});
            if (connected) backend_of(i).connect(upstream(i));
        }
    }
    // The rooms behind the request, whatever that has become.
    void make_rooms(setting& at) {
        if (!who) who.emplace(at);
        if (!way) way.emplace(at);
        allowed.emplace(at, *asked, *who, *way);
        pipe.emplace(worker().slabs());
        tried.emplace(at, *asked, (*asked).body, *who, *way, *pipe, watcher);
        own.emplace(at, *asked, *who, *way, *allowed, *tried, *pipe, sent);
        prompt.emplace(at);
    }

    // The attempts alone. Once in a kit's life, like everything that runs the loop.
    core::action run_attempts() {
        core::action out;
        on_loop(attempt_into(out));
        return out;
    }
    // Attempts and, if they bring one, the answer to the client. Whether its connection may carry another request.
    bool run_exchange() {
        bool again = false;
        on_loop(exchange_into(again));
        return again;
    }
    // Beside them, from the first wait on.
    void meanwhile(std::function<net::task<>()> what) { beside_ = std::move(what); }
    // Lets all others go on until it holds.
    template <class Condition>
    net::task<> until(Condition holds) {
        while (!holds() && !again().left().fired()) co_await net::yield(worker().loop());
    }
    // Lets all others do what they can do without time.
    net::task<> rounds(int n = 50) {
        for (int i = 0; i < n; ++i) co_await net::yield(worker().loop());
    }
    // What the client has got, all together.
    const std::string& got() { return got_ += received(); }

    net::upstream& upstream(std::size_t i) { return *worker().current()->upstreams[i]; }
    scripted_backend& backend_of(std::size_t i) { return i == 0 ? one : two; }
    backend& configured(std::size_t i) { return config->pools[0].backends[i]; }
    bool usable(std::size_t i) { return configured(i).state->breaker.view(clock::now()).usable; }

    struct observer final : attempt_observer {
        void begin_attempt() override { ++begun; }
        void end_attempt(const attempt_end& e) override { errors.emplace_back(e.error); }
        std::string_view traceparent() noexcept override { return {}; }
        int begun{0};
        std::vector<std::string> errors;  // of attempts that failed
    };

    scripted_backend one{worker().loop()}, two{worker().loop()};
    observer watcher;
    std::optional<request> asked;
    std::optional<caller> who;
    std::optional<plan> way;
    std::optional<permit> allowed;
    std::optional<answer_pipe> pipe;
    std::optional<attempts> tried;
    delivery sent;
    std::optional<reply> own;
    std::optional<kept_prompt> prompt;

private:
    void on_loop(net::task<> work) {
        bool done = false, beside_done = !beside_;
        const auto stop_when_over = [&] {
            if (done && beside_done) worker().loop().stop();
        };
        net::spawn(std::move(work), [&](std::exception_ptr e) {
            EXPECT_FALSE(e);
            done = true;
            stop_when_over();
        });
        if (beside_)
            net::spawn(beside_(), [&](std::exception_ptr e) {
                EXPECT_FALSE(e);
                beside_done = true;
                stop_when_over();
            });
        net::timer guard(
            [](void* self) noexcept {
                ADD_FAILURE() << "it never ends";
                static_cast<exchange_kit*>(self)->again().left().fire();
            },
            this);
        worker().loop().wheel().schedule(guard, clock::now() + seconds(20));
        worker().loop().run();
    }
    net::task<> attempt_into(core::action& out) { out = co_await tried->run(); }
    net::task<> exchange_into(bool& out) {
        const core::action next = co_await tried->run();
        EXPECT_EQ(next.what, core::action::kind::commit);
        if (next.what != core::action::kind::commit) co_return;
        relay onward(again(), *asked, *who, *way, *allowed, *tried, *pipe, *own, sent, *prompt, next);
        out = co_await onward.run();
        tried->leave();
    }

    std::function<net::task<>()> beside_;
    std::string got_;
};

inline std::string answer(int status, std::string_view body, std::string_view fields = {}) {
    return "HTTP/1.1 " + std::to_string(status) + " X\r\ncontent-type: application/json\r\n" + std::string(fields) +
           "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

inline std::string chunk(std::string_view payload) {
    constexpr char digits[] = "0123456789abcdef";
    std::string size;
    for (std::size_t n = payload.size(); n > 0; n /= 16) size.insert(size.begin(), digits[n % 16]);
    return size + "\r\n" + std::string(payload) + "\r\n";
}
// The head of a stream and its first chunk.
inline std::string stream_of(std::string_view first) {
    return "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(first);
}
constexpr std::string_view hello = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"}}]}\n\n";
constexpr std::string_view done = "data: [DONE]\n\n";

}  // namespace spillway::proxy
