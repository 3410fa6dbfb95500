// The trace context that a client sends: whoever is believed has one spelling.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <spillway/trace/span.hpp>

using namespace spillway;

namespace {

void require(bool what) {
    if (!what) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto c = trace::parse_traceparent(text);
    if (!c) return 0;
    require(size >= trace::traceparent_size && text.substr(0, 2) != "ff");
    require(c->trace_id != trace::trace_id{} && c->parent_id != trace::span_id{});
    const auto again = trace::format_traceparent(c->trace_id, c->parent_id, c->sampled, c->random);
    const std::string_view written(again.data(), again.size());
    require(written.substr(2, 51) == text.substr(2, 51));
    require(written.substr(0, 2) == "00" && written[53] == '0' && written[54] >= '0' && written[54] <= '3');
    const auto back = trace::parse_traceparent(written);
    require(back && back->trace_id == c->trace_id && back->parent_id == c->parent_id);
    require(back->sampled == c->sampled && back->random == c->random);
    return 0;
}
