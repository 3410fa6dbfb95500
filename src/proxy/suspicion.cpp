#include <spillway/proxy/exchange.hpp>

// An attempt that waits long for its first byte: normal for a model that thinks, and all that a client sees of a
// backend that is dead.
namespace spillway::proxy {

// When this attempt has waited longer than is usual in its pool.
time_point exchange::suspicion_begins() const noexcept {
    if (serving_->probe == core::probe_kind::none) return time_point::max();
    const duration usual(the_pool().state->suspect_after.load(std::memory_order_relaxed));
    return attempt_began_ + std::max(usual, the_pool().probe.suspect);
}

// Has the backend asked by one probe, whoever waits there. True: it was not answered, and this attempt moves on,
// since nothing is lost by repeating what a dead backend holds. Else `look_again` says when to come back.
bool exchange::suspects_dead(time_point& look_again) {
    using step = core::suspicion::step;
    const auto& policy = the_pool().probe;
    auto& probes = serving_->state->probe;
    const time_point now = clock::now();
    const auto s = core::suspect(probes.facts(), attempt_began_, now, suspicion_begins() - attempt_began_, policy);
    look_again = s.look_again;
    if (s.what == step::ask && probes.begin(now, policy))
        worker_.probe(snapshot_, *pool_, static_cast<std::size_t>(serving_ - the_pool().backends.data()));
    return s.what == step::leave;
}

}  // namespace spillway::proxy
