#include <algorithm>
#include <thread>

#include <spillway/base/threads.hpp>

#include <spillway/base/text.hpp>
#include <spillway/http/endpoint_url.hpp>

#include "sender.hpp"

namespace spillway::trace {
namespace {

class http_exporter final : public exporter {
public:
    http_exporter(const opening& with, std::string url, net::ssl_ctx_ptr tls)
        : batch_(with.limits.batch),
          alarm_(with.alarm),
          queue_(with.limits.most_spans, with.limits.most_bytes),
          sender_(loop_, with, std::move(url), std::move(tls), queue_, count_) {
        thread_ = std::thread([this] { work(); });
    }

    ~http_exporter() override {
        loop_.post([this] { sender_.end(); });
        thread_.join();
    }

    void add(std::vector<span>&& finished) noexcept override {
        if (finished.empty()) return;
        const std::size_t count = finished.size();
        const auto done = queue_.push(std::move(finished));
        if (!done.taken) {
            count_.dropped.fetch_add(count, std::memory_order_relaxed);
            return;
        }
        // One call of the system for a batch. Without it the batch goes when its time has come.
        if (done.before < batch_ && done.after >= batch_) {
            try {
                loop_.post([this] { sender_.wake(); });
            } catch (const std::exception&) {
                return;
            }
        }
    }

    report look() const override {
        return {count_.exported.load(), count_.dropped.load(), count_.failures.load(), sender_.last_error()};
    }

private:
    void work() {
        block_signals();
        loop_.post([this] {
            net::spawn(sender_.run(), [this](const std::exception_ptr& failure) {
                if (failure && alarm_) alarm_("traces: the export ended by an exception; spans are dropped");
                loop_.stop();
            });
        });
        loop_.run();
    }

    std::size_t batch_;
    std::function<void(std::string)> alarm_;
    net::loop loop_;
    span_queue queue_;
    sender::counters count_;
    sender sender_;
    std::thread thread_;
};

fault wrong(std::string_view code, std::string message) { return {.code = code, .message = std::move(message)}; }

// What goes out by itself may not be set, and a value may not become another header.
bool acceptable(const header& h) noexcept {
    constexpr std::array<std::string_view, 6> own{"content-type", "content-length",    "host",
                                                  "connection",   "transfer-encoding", "content-encoding"};
    const auto token = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    };
    const auto plain = [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; };
    return !h.name.empty() && std::all_of(h.name.begin(), h.name.end(), token) &&
           std::all_of(h.value.begin(), h.value.end(), plain) &&
           std::none_of(own.begin(), own.end(), [&](auto o) { return text::iequals(o, h.name); });
}

}  // namespace

result<std::unique_ptr<exporter>> open(opening with) {
    const auto url = http::parse_endpoint_url(with.settings.endpoint);
    if (!url) return wrong("tracing_endpoint", "the collector's endpoint is no http:// or https:// URL");
    for (const auto& h : with.headers)
        if (!acceptable(h))
            return wrong("tracing_header", "the header '" + h.name + "' cannot be sent to a collector");
    net::ssl_ctx_ptr tls;
    if (url->tls) {
        auto made = net::make_client_context(with.settings.ca_file);
        if (!made) return made.error();
        tls = std::move(*made);
    }
    constexpr std::string_view path = "/v1/traces";
    std::string whole = (url->tls ? "https://" : "http://") + url->host_field + url->prefix;
    if (!url->prefix.ends_with(path)) whole += path;
    return std::unique_ptr<exporter>(std::make_unique<http_exporter>(with, std::move(whole), std::move(tls)));
}

}  // namespace spillway::trace
