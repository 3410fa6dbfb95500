// The body of an answer between backend and client: in whatever pieces it comes, the client gets the same payload and
// an end only where there was one, and own bytes never land amid an event or a chunk.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "../../src/proxy/answer/pipe.hpp"

using namespace spillway;
using proxy::answer_pipe;

namespace {

struct outcome {
    std::string wire;
    bool done{false}, failed{false};
};

// Bits of `how`: framing of the backend's side, version of the client, the filter, insertions.
outcome run(net::slab_pool& slabs, std::string_view body, unsigned how, std::size_t step) {
    constexpr http::body_kind kinds[] = {http::body_kind::chunked, http::body_kind::length,
                                         http::body_kind::until_close, http::body_kind::chunked};
    http::response_head head;
    head.body = kinds[how & 3U];
    head.content_length = head.body == http::body_kind::length ? body.size() : 0;
    answer_pipe pipe(slabs);
    pipe.begin(head);
    pipe.watch_events(256, nullptr);
    if ((how & 8U) != 0) pipe.add(proxy::make_usage_filter());
    pipe.open((how & 4U) == 0);
    net::buffer out(slabs);
    outcome o;
    if (pipe.body().done()) pipe.end(out);
    for (std::size_t at = 0; at < body.size() && !pipe.body().done() && !pipe.body().failed(); at += step) {
        const auto bytes = body.substr(at, step);
        const auto scan = pipe.take(bytes);
        if (scan.forward > bytes.size() || scan.consumed > bytes.size()) std::abort();
        pipe.pass(out, bytes.substr(0, scan.forward));
        if (scan.done) pipe.end(out);
        if ((how & 16U) != 0 && !scan.done && pipe.may_insert()) pipe.insert(out, ": k\n\n");
    }
    if (head.body == http::body_kind::until_close && pipe.take_end()) pipe.end(out);
    o.done = pipe.body().done();
    o.failed = pipe.body().failed();
    if (!o.done) {
        const std::size_t before = out.size();
        if (!pipe.end_broken(out, http::stream_family::chat) && out.size() != before) std::abort();
    }
    if (pipe.how() == answer_pipe::framing::encode || (pipe.passes() && head.body == http::body_kind::chunked)) {
        http::body_scanner client(http::body_kind::chunked, 0);
        const auto r = client.feed(out.view(), [&](std::string_view p) { o.wire.append(p); });
        // What was passed on may break off, but is never malformed, and is whole when its own end was.
        if (r.error || (o.done && !r.done)) std::abort();
    } else {
        o.wire = out.view();
    }
    return o;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    static net::slab_pool slabs;
    const unsigned how = data[0] & 15U;
    const std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
    const outcome whole = run(slabs, body, how, body.size() + 1);
    for (const std::size_t step : {1U, 2U, 7U}) {
        const outcome split = run(slabs, body, how, step);
        if (split.done != whole.done || split.failed != whole.failed) std::abort();
        if (whole.done && split.wire != whole.wire) std::abort();
    }
    run(slabs, body, how | 16U, 3);
    return 0;
}
