#include "attempts.hpp"

// An attempt that waits long for its first byte: normal for a model that thinks, and all that a client sees of a
// backend that is dead.
namespace spillway::proxy {

// When this attempt has waited longer than is usual in its pool.
time_point attempts::suspicion_begins() const noexcept {
    if (serving_->probe == core::probe_kind::none) return time_point::max();
    const duration usual(pool_of().state->suspect_after.load(std::memory_order_relaxed));
    return began_ + std::max(usual, pool_of().probe.suspect);
}

// Has the backend asked by one probe, for all that wait. True: it was not answered, and this attempt moves on,
// since nothing is lost by repeating what a dead backend holds. Else `look_again` says when to come back.
bool attempts::suspects_dead(time_point& look_again) {
    using step = core::suspicion::step;
    const auto& policy = pool_of().probe;
    auto& probes = serving_->state->probe;
    const time_point now = clock::now();
    const auto s = core::suspect(probes.facts(), began_, now, suspicion_begins() - began_, policy);
    look_again = s.look_again;
    if (s.what == step::ask && probes.begin(now, policy))
        at_.worker.probe(at_.snapshot, *plan_.pool, static_cast<std::size_t>(serving_ - pool_of().backends.data()));
    return s.what == step::leave;
}

}  // namespace spillway::proxy
