#include "load_options.hpp"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>

#include <CLI/CLI.hpp>

#include <spillway/base/text.hpp>

namespace spillway::bench {
namespace {

struct words {
    std::string url, method, body_file;
    std::vector<std::string> headers;
    std::uint64_t body_size{0};
    bool stream{false};
    double length{5}, warm_up{1}, timeout{30};
};

struct target {
    bool tls;
    std::string authority, path;
};

target split_url(const std::string& url) {
    target t{url.starts_with("https://"), {}, {}};
    if (!t.tls && !url.starts_with("http://")) throw std::runtime_error("the URL begins with https:// or http://");
    const auto begin = url.find("//") + 2, slash = url.find('/', begin);
    t.authority = url.substr(begin, slash == std::string::npos ? slash : slash - begin);
    t.path = slash == std::string::npos ? "/" : url.substr(slash);
    return t;
}

bool is_loopback(const net::address& a) {
    static const auto v4 = net::network::parse("127.0.0.0/8").value(), v6 = net::network::parse("::1").value();
    return v4.contains(a) || v6.contains(a);
}

std::string read_body(const words& w) {
    if (w.body_file.empty()) {
        // A chat request whose prompt fills it up to the size that was asked for.
        const std::string open = std::string(R"({"model":"bench",)") + (w.stream ? R"("stream":true,)" : "") +
                                 R"("messages":[{"role":"user","content":")",
                          close = "\"}]}";
        if (w.body_size <= open.size() + close.size()) return w.body_size == 0 ? "" : open + close;
        return open + std::string(w.body_size - open.size() - close.size(), 'x') + close;
    }
    std::ifstream file(w.body_file, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + w.body_file);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string build_request(const words& w, const target& t) {
    const std::string body = read_body(w);
    std::string method = w.method;
    if (method.empty()) method = body.empty() ? "GET" : "POST";
    std::string out = method + ' ' + t.path + " HTTP/1.1\r\nhost: " + t.authority + "\r\n";
    for (const auto& h : w.headers) out += h + "\r\n";
    if (!body.empty())
        out += "content-type: application/json\r\ncontent-length: " + std::to_string(body.size()) + "\r\n";
    return out + "\r\n" + body;
}

duration seconds_of(double s) { return std::chrono::duration_cast<duration>(std::chrono::duration<double>(s)); }

void complete(load_options& o, const words& w) {
    const target t = split_url(w.url);
    auto to = net::address::parse(t.authority);
    if (!to) throw std::runtime_error("the URL needs a numeric address and a port: " + to.error().message);
    if (!is_loopback(*to)) throw std::runtime_error("only loopback addresses are loaded, not " + t.authority);
    o.to = *to;
    o.host = o.to.ip();
    o.tls = t.tls;
    o.request = build_request(w, t);
    o.length = seconds_of(w.length);
    o.warm_up = seconds_of(w.warm_up);
    o.timeout = seconds_of(w.timeout);
    if (o.tls && o.ca_file.empty()) throw std::runtime_error("https needs --ca");
}

}  // namespace

load_options read_options(int argc, char** argv) {
    load_options o;
    words w;
    CLI::App app{
        "Loads one HTTP/1.1 server on this machine and prints what it saw as JSON, one object a line: "
        "`open` when all held streams are open, `warm` when the measurement begins, `done` at the end."};
    app.add_option("url", w.url, "https://127.0.0.1:8443/path")->required();
    app.add_option("-c,--connections", o.connections, "connections, kept alive")->check(CLI::Range(1, 20000));
    app.add_option("-r,--rate", o.rate,
                   "requests a second, sent when they are due whatever the answers do; latency counts from the due "
                   "time. Without: every connection asks again as soon as it has its answer");
    app.add_option("-d,--duration", w.length, "seconds")->check(CLI::Range(0.1, 600.0));
    app.add_option("-w,--warm-up", w.warm_up, "seconds before the measurement")->check(CLI::Range(0.0, 60.0));
    app.add_option("-n,--requests", o.requests, "stop after so many requests");
    app.add_option("--timeout", w.timeout, "seconds for one request")->check(CLI::Range(0.1, 600.0));
    app.add_flag("--busy-poll", o.busy_poll, "never sleep: the proxy need not wake this program");
    app.add_flag("--hold", o.hold, "one request on each connection, all of them open together");
    app.add_option("-X,--method", w.method, "default: POST with a body, else GET");
    app.add_option("-H,--header", w.headers, "a header line, `name: value`");
    app.add_option("--body", w.body_file, "file to send as the body");
    app.add_flag("--stream", w.stream, "the generated body asks for a stream");
    app.add_option("--body-size", w.body_size, "send a JSON body of so many bytes");
    app.add_option("--events", o.expected_events, "the answer is an event stream of so many events, then [DONE]");
    app.add_option("--bytes", o.expected_bytes, "the answer's body has so many bytes");
    app.add_option("--ca", o.ca_file, "PEM file of the authority to trust");
    app.add_option("--tls-name", o.tls_name, "name to verify and to send as SNI");
    try {
        app.parse(argc, argv);
        complete(o, w);
    } catch (const CLI::ParseError& e) {
        std::exit(app.exit(e));
    } catch (const std::exception& e) {
        std::cerr << "spillway-load: " << e.what() << '\n';
        std::exit(2);
    }
    return o;
}

}  // namespace spillway::bench
