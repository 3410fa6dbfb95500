// The reader of event streams: however the bytes are split, it sees the same.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include <spillway/http/sse.hpp>

using namespace spillway::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string all(reinterpret_cast<const char*>(data), size);
    const auto whole = std::make_unique<sse_scanner>(), split = std::make_unique<sse_scanner>();
    std::string text, text_split;
    whole->want_text(&text, 4096);
    split->want_text(&text_split, 4096);
    std::string start, start_split;
    whole->watch_start(&start);
    split->watch_start(&start_split);
    whole->feed(all);
    for (std::size_t i = 0; i < all.size(); i += 1 + i % 3) split->feed(std::string_view(all).substr(i, 1 + i % 3));
    const auto same = [](const sse_scanner& a, const sse_scanner& b) {
        return a.events() == b.events() && a.terminal() == b.terminal() &&
               a.terminal_is_error() == b.terminal_is_error() && a.sequence_number() == b.sequence_number() &&
               a.position() == b.position() && a.usage().json() == b.usage().json() &&
               a.usage().model() == b.usage().model() && a.usage().text_bytes() == b.usage().text_bytes() &&
               a.first().data == b.first().data && a.first().name == b.first().name && a.start() == b.start();
    };
    if (!same(*whole, *split) || text != text_split || start != start_split) std::abort();
    is_error_event(whole->first().name, whole->first().data);
    response_id_of(whole->first().data);
    return 0;
}
