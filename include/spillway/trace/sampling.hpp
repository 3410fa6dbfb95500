#pragma once

#include <spillway/base/random.hpp>
#include <spillway/trace/span.hpp>

namespace spillway::trace {

span_id make_span_id(random_source& random) noexcept;
trace_id make_trace_id(random_source& random) noexcept;

// Whether a trace is among the share that is kept. It looks at the random part of the id alone, so that every gateway
// with the same share decides alike.
bool within_share(const trace_id& id, double share) noexcept;

// The trace that a request belongs to: the client's when it brought one, else a new one. A client's sampled flag
// counts when it is trusted; a trusted client that did not sample stays unsampled; without trust the share decides.
context decide(const std::optional<context>& brought, const config::tracing& by, random_source& random) noexcept;

}  // namespace spillway::trace
