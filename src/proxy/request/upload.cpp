#include <algorithm>
#include <cstring>

#include "body.hpp"

// A body that goes on as it comes.
namespace spillway::proxy {
namespace {

// Smaller ones are read whole: then another backend can get them after a 429.
constexpr std::uint64_t least_upload = std::uint64_t{1} << 20;

}  // namespace

result<bool> request_body::pass_on(const core::operation& op) {
    const bool is_upload = op.role != core::object_role::none && op.body == core::body_form::form;
    if (!is_upload || is_encoded()) return false;
    if (!is_chunked()) {
        auto& length = scratch_->upload.length;
        length = framing_.remaining();
        if (length < least_upload) return false;
        const auto limit = at_.door().from->limits.upload;
        if (length > limit) return too_large(limit, "upload");
    }
    passes_ = true;
    read_ = true;
    // Until the last byte has come what follows is not the next request.
    in_step_ = false;
    return true;
}

// What came together with the head lies behind it.
net::task<net::io_result> request_body::read_raw(std::span<char> room) {
    auto& so_far = scratch_->upload;
    if (so_far.raw == 0) {
        so_far.since = at_.worker.now();
        if (std::exchange(expects_continue_, false)) {
            const net::io_result w = co_await at_.connection.client().write_all("HTTP/1.1 100 Continue\r\n\r\n",
                                                                                at_.write_deadline(), &at_.left());
            if (!w.ok()) co_return w;
        }
    }
    const auto here = at_.connection.input().view().substr(head_bytes_);
    net::io_result r{net::io_status::ok, 0};
    if (so_far.raw < here.size()) {
        r.bytes = std::min(room.size(), here.size() - static_cast<std::size_t>(so_far.raw));
        std::memcpy(room.data(), here.data() + so_far.raw, r.bytes);
        count(r.bytes);
    } else {
        r = co_await read_some(room, so_far.since, static_cast<std::size_t>(so_far.raw));
    }
    if (!r.ok()) co_return r;
    so_far.raw += r.bytes;
    input_used_ = head_bytes_ + static_cast<std::size_t>(std::min<std::uint64_t>(so_far.raw, here.size()));
    co_return r;
}

net::task<net::io_result> request_body::next(std::span<char> room) {
    if (is_chunked()) co_return co_await next_chunks(room);
    auto& so_far = scratch_->upload;
    const auto left = so_far.length - so_far.passed;
    if (left == 0) co_return net::io_result{net::io_status::ok, 0};
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), left));
    const net::io_result r = co_await read_raw(room.first(most));
    if (!r.ok()) co_return r;
    so_far.passed += r.bytes;
    if (so_far.passed == so_far.length) in_step_ = true;
    co_return r;
}

// The payload is no longer than what framed it, so it finds room where that was.
net::task<net::io_result> request_body::next_chunks(std::span<char> room) {
    auto& so_far = scratch_->upload;
    std::size_t size = 0;
    while (size == 0 && !framing_.done()) {
        const net::io_result r = co_await read_raw(room);
        if (!r.ok()) co_return r;
        const auto take = [&](std::string_view payload) {
            std::memmove(room.data() + size, payload.data(), payload.size());
            size += payload.size();
        };
        const auto scan = framing_.feed({room.data(), r.bytes}, take);
        so_far.passed += size;
        if (scan.error || so_far.passed > at_.door().from->limits.upload ||
            so_far.raw > 4 * so_far.passed + least_upload)
            co_return net::io_result{net::io_status::failed};
        // A client that pipelines behind chunks does not keep its connection.
        if (scan.done) in_step_ = scan.consumed == r.bytes;
    }
    co_return net::io_result{net::io_status::ok, size};
}

}  // namespace spillway::proxy
