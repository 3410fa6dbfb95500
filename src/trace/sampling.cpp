#include <spillway/trace/sampling.hpp>

namespace spillway::trace {
namespace {

void put(std::uint8_t* to, std::uint64_t bits) noexcept {
    for (int i = 0; i < 8; ++i) to[i] = static_cast<std::uint8_t>(bits >> (56 - 8 * i));
}

// An id of zeros means "none".
std::uint64_t not_zero(random_source& random) noexcept {
    for (;;)
        if (const auto bits = random.next(); bits != 0) return bits;
}

}  // namespace

span_id make_span_id(random_source& random) noexcept {
    span_id out;
    put(out.data(), not_zero(random));
    return out;
}

trace_id make_trace_id(random_source& random) noexcept {
    trace_id out;
    put(out.data(), random.next());
    put(out.data() + 8, not_zero(random));
    return out;
}

bool within_share(const trace_id& id, double share) noexcept {
    if (share >= 1) return true;
    if (!(share > 0)) return false;
    std::uint64_t bits = 0;
    for (std::size_t i = 9; i < id.size(); ++i) bits = bits << 8 | id[i];
    return static_cast<double>(bits) < share * 0x1.0p56;
}

context decide(const std::optional<context>& brought, const config::tracing& by, random_source& random) noexcept {
    context out;
    if (brought) {
        out = *brought;
        // An untrusted client could pick ids that always fall into the share.
        if (!by.trust_client) out.sampled = random.unit() < by.sample;
        return out;
    }
    out.trace_id = make_trace_id(random);
    out.random = true;
    out.sampled = within_share(out.trace_id, by.sample);
    return out;
}

}  // namespace spillway::trace
