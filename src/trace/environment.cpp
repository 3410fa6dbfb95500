#include <spillway/trace/environment.hpp>

#include <algorithm>

#include <spillway/base/percent.hpp>
#include <spillway/base/text.hpp>

namespace spillway::trace {
namespace {

// "name=value,name=value", percent-encoded. What has no name or no value is left out.
void read_headers(std::string_view from, config::named<config::secret_ref>& out) {
    while (!from.empty()) {
        const auto end = std::min(from.find(','), from.size());
        const auto one = from.substr(0, end);
        from.remove_prefix(std::min(end + 1, from.size()));
        const auto equals = one.find('=');
        if (equals == std::string_view::npos) continue;
        auto name = percent::decoded_leniently(text::trim(one.substr(0, equals)));
        auto value = percent::decoded_leniently(text::trim(one.substr(equals + 1)));
        if (!name.empty() && !value.empty())
            out.emplace(std::move(name), config::secret_ref::literal(std::move(value)));
    }
}

}  // namespace

config::tracing with_environment(config::tracing settings, const config::environment& env) {
    // A variable that is set to nothing counts as not set.
    const auto value = [&](std::string_view name) { return env(name).value_or(std::string()); };
    if (text::iequals(value("OTEL_SDK_DISABLED"), "true")) return settings;
    if (settings.service == config::tracing{}.service)
        if (auto name = value("OTEL_SERVICE_NAME"); !name.empty()) settings.service = std::move(name);
    if (!settings.endpoint.empty() || value("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc") return settings;
    settings.endpoint = value("OTEL_EXPORTER_OTLP_ENDPOINT");
    if (settings.endpoint.empty()) return settings;
    if (settings.headers.empty()) read_headers(value("OTEL_EXPORTER_OTLP_HEADERS"), settings.headers);
    if (settings.ca_file.empty()) settings.ca_file = value("OTEL_EXPORTER_OTLP_CERTIFICATE");
    return settings;
}

}  // namespace spillway::trace
