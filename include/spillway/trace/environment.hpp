#pragma once

#include <spillway/config/secret.hpp>
#include <spillway/config/usage.hpp>

namespace spillway::trace {

// Fills what the configuration leaves open from OpenTelemetry's own variables: OTEL_EXPORTER_OTLP_ENDPOINT,
// OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_SERVICE_NAME. The endpoint is left alone when
// OTEL_EXPORTER_OTLP_PROTOCOL says grpc, which this gateway does not speak, and all of them when OTEL_SDK_DISABLED is
// true. Headers count only with an endpoint from the environment: they belong to that collector.
config::tracing with_environment(config::tracing settings, const config::environment& env);

}  // namespace spillway::trace
