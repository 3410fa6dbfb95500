#include <charconv>

#include <spillway/http/local_reply.hpp>
#include <spillway/http/writer.hpp>
#include <spillway/proxy/exchange.hpp>

namespace spillway::proxy {
namespace {

// How much of a refused request's body is read and thrown away so that the connection can go on.
constexpr std::size_t drain_bytes = 256 * 1024;
constexpr duration drain_time = seconds(2);

}  // namespace

net::task<bool> exchange::refuse(const fault& f) {
    worker_.stats().local_replies.at({worker_.label(f.code)}).add();
    reply_code_ = f.code;
    reply_who_ = f.who;
    std::string body, fields;
    http::append_error_body(body, f.code, f.message, http::error_type_of(f.status));
    if (f.status == 405)
        fields.append("allow: ").append(is_probe_ ? "GET, HEAD" : core::allowed_methods(api_path_)).append("\r\n");
    if (f.code == "UnsupportedContentEncoding")
        fields.append("accept-encoding: ").append(http::taken_codings).append("\r\n");
    co_return co_await send_local(f.status, "application/json", body, fields);
}

// Answers with how long to wait, in both forms that SDKs read: whole seconds rounded up, exact milliseconds.
net::task<bool> exchange::refuse_until(const fault& f, duration wait, std::optional<bool> should_retry) {
    worker_.stats().local_replies.at({worker_.label(f.code)}).add();
    reply_code_ = f.code;
    reply_who_ = f.who;
    std::string body, fields;
    http::append_error_body(body, f.code, f.message, http::error_type_of(f.status));
    if (wait > duration::zero()) {
        const auto ms = std::chrono::ceil<milliseconds>(wait).count();
        fields = "retry-after: " + std::to_string(std::max<long>(1, (ms + 999) / 1000)) +
                 "\r\nretry-after-ms: " + std::to_string(ms) + "\r\n";
    }
    if (should_retry) fields += *should_retry ? "x-should-retry: true\r\n" : "x-should-retry: false\r\n";
    co_return co_await send_local(f.status, "application/json", body, fields);
}

// `extra_fields` are whole lines made by us.
net::task<bool> exchange::send_local(int status, std::string_view content_type, std::string_view body,
                                     std::string_view extra_fields) {
    status_ = status;
    if (!request_read_) co_await drain_request();
    auto& out = scratch_->out;
    out.clear();
    http::head_writer w(out.prepare(2048));
    w.status_line(status);
    if (status != 204) {
        w.field(http::field_id::content_type, content_type);
        w.field(http::field_id::content_length, body.size());
    }
    if (status == 401)
        w.field(http::field_id::www_authenticate, auth_method_ == "token"
                                                      ? "Bearer realm=\"spillway\", error=\"invalid_token\""
                                                      : "Bearer realm=\"spillway\", ApiKey");
    write_own_fields(w, false);
    if (pool_) write_rate_fields(w);
    out.commit(w.written().size());
    out.append(extra_fields);
    out.append("\r\n");
    if (!head_request_) out.append(body);
    answer_begun_ = true;
    const net::io_result r = co_await session_.client().write_all(out.view(), write_deadline(), &session_.left());
    if (!r.ok()) co_return lost_client();
    bytes_to_client_ += out.size();
    progress_ = progress::complete;
    co_return keep_client_;
}

// What every answer carries: the request's id, whether the connection stays, and who served when that may be told.
void exchange::write_own_fields(http::head_writer& w, bool has_request_id) {
    if (!has_request_id) w.field(http::field_id::x_request_id, request_id());
    if (session_.draining() || worker_.process().draining.load(std::memory_order_relaxed)) keep_client_ = false;
    if (!keep_client_ || framing_ == framing::close) w.field(http::field_id::connection, "close");
    else if (client_minor_ == 0) w.field(http::field_id::connection, "keep-alive");
    if (session_.from().cors) write_cors_fields(w);
    if (!pool_ || !served_by_headers()) return;
    w.field("x-spillway-pool", the_pool().name);
    if (serving_ != nullptr && reply_code_.empty()) {
        w.field("x-spillway-backend", serving_->name);
        const auto& region = snapshot_->shared->instances[serving_->instance].region;
        if (!region.empty()) w.field("x-spillway-region", region);
    }
    w.field("x-spillway-attempts", attempts_);
}

// Of a backend's own 429 the client hears how long the whole pool is away, not that backend alone.
bool exchange::replaces_wait(http::field_id id) const noexcept {
    using http::field_id;
    return told_wait_ > duration::zero() && (id == field_id::retry_after || id == field_id::retry_after_ms ||
                                             id == field_id::x_ms_retry_after_ms || id == field_id::x_should_retry);
}

void exchange::write_wait_fields(http::head_writer& w) const {
    if (told_wait_ <= duration::zero()) return;
    const auto ms = static_cast<std::uint64_t>(std::chrono::ceil<milliseconds>(told_wait_).count());
    w.field(http::field_id::retry_after, std::max<std::uint64_t>(1, (ms + 999) / 1000));
    w.field(http::field_id::retry_after_ms, ms);
    if (told_retry_) w.field(http::field_id::x_should_retry, *told_retry_ ? "true" : "false");
}

// Reads and forgets a small rest of the request, so that the answer is not lost in a reset and the connection can
// carry another request. A large rest ends the connection instead.
net::task<void> exchange::drain_request() {
    request_read_ = true;
    auto& in = session_.input();
    http::body_scanner rest = request_body_;
    const auto seen = rest.feed(in.view().substr(std::min(head_bytes_, in.size())));
    input_used_ = std::min(head_bytes_, in.size()) + seen.consumed;
    if (rest.done()) co_return;
    if (seen.error || rest.remaining() > drain_bytes || expects_continue_) {
        keep_client_ = false;
        co_return;
    }
    const time_point until = worker_.now() + drain_time;
    net::buffer waste(worker_.slabs());
    std::size_t total = 0;
    while (!rest.done()) {
        const auto room = waste.prepare(net::slab_pool::small);
        const net::io_result r = co_await session_.client().read_some(room, until, &session_.left());
        total += r.bytes;
        count_received(r.bytes);
        if (!r.ok() || total > drain_bytes) {
            keep_client_ = false;
            co_return;
        }
        const std::string_view bytes(room.data(), r.bytes);
        const auto scan = rest.feed(bytes);
        if (scan.error || scan.consumed < bytes.size()) {
            // The next request has begun in bytes that are gone.
            keep_client_ = false;
            co_return;
        }
    }
}

}  // namespace spillway::proxy
