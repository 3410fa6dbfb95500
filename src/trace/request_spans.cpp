#include <spillway/trace/request_spans.hpp>

#include <algorithm>

#include <spillway/base/text.hpp>

namespace spillway::trace {
namespace {

using kind = attribute::kind;

constexpr std::string_view provider = "azure.ai.openai", azure_namespace = "Microsoft.CognitiveServices";
constexpr std::array<std::string_view, 9> methods{"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                                  "CONNECT", "OPTIONS", "TRACE", "PATCH"};

// The conventions want few values here, so that a client's inventions do not become names of spans.
std::string_view known_method(std::string_view m) noexcept {
    const auto found = std::find(methods.begin(), methods.end(), m);
    return found == methods.end() ? std::string_view("_OTHER") : *found;
}

// Leaves out what is empty.
class writer {
public:
    writer(span& to, std::size_t expected) : out_(to.attributes) { out_.reserve(expected); }

    void constant(std::string_view key, std::string_view text) {
        if (!text.empty()) add(key, kind::constant).constant = text;
    }
    void text(std::string_view key, std::string_view value) {
        // What a backend answers with is as long as it likes.
        constexpr std::size_t longest = 256;
        if (!value.empty()) add(key, kind::text).text = value.substr(0, longest);
    }
    void number(std::string_view key, std::uint64_t value) {
        add(key, kind::number).number = static_cast<std::int64_t>(value);
    }
    void number_unless_zero(std::string_view key, std::uint64_t value) {
        if (value != 0) number(key, value);
    }
    void flag(std::string_view key, bool value) { add(key, kind::flag).number = value ? 1 : 0; }
    void real(std::string_view key, double value) { add(key, kind::real).real = value; }

private:
    attribute& add(std::string_view key, kind what) {
        auto& a = out_.emplace_back();
        a.key = key;
        a.what = what;
        return a;
    }
    std::vector<attribute>& out_;
};

template <class Facts>
span begin_span(const Facts& f, span::kind what) {
    span out;
    out.trace_id = f.trace_id;
    out.span_id = f.span_id;
    out.parent_id = f.parent_id;
    out.what = what;
    out.begin = f.begin;
    out.end = std::max(f.begin, f.end);  // wall time may step back meanwhile
    return out;
}

// Sets the span's status, and error.type as the conventions want it: our own code, or the status code as text.
void conclude(span& out, writer& w, int status, std::string_view error, bool failed) {
    out.failed = failed;
    if (!failed) return;
    if (!error.empty()) {
        out.status_message = error;
        w.text("error.type", error);
    } else if (status != 0) {
        w.text("error.type", std::to_string(status));
    } else {
        w.constant("error.type", "_OTHER");
    }
}

void add_usage(writer& w, const core::token_counts& tokens, core::token_source source) {
    if (source == core::token_source::none) return;
    w.number("gen_ai.usage.input_tokens", tokens.prompt);
    w.number("gen_ai.usage.output_tokens", tokens.completion);
    w.number_unless_zero("gen_ai.usage.cache_read.input_tokens", tokens.cached);
    w.number_unless_zero("gen_ai.usage.reasoning.output_tokens", tokens.reasoning);
    if (source == core::token_source::estimated) w.flag("spillway.usage.estimated", true);
}

}  // namespace

std::string_view gen_ai_operation(core::family f) noexcept { return core::row_of(f).otel_name; }

std::string_view route_template(const core::operation& op) noexcept {
    const auto& row = op.row();
    return op.generation == core::generation::dated ? row.dated_template : row.v1_template;
}

span server_span(const server_facts& f) {
    span out = begin_span(f, span::kind::server);
    const auto method = known_method(f.method);
    const auto path = f.operation != nullptr ? route_template(*f.operation) : std::string_view{};
    out.name.reserve(method.size() + 1 + path.size());
    out.name = method == "_OTHER" ? "HTTP" : method;
    if (!path.empty()) out.name.append(" ").append(path);

    writer w(out, 20);
    w.constant("http.request.method", method);
    w.constant("url.scheme", f.tls ? "https" : "http");
    w.constant("url.path", path);
    w.constant("http.route", path);
    if (f.status != 0) w.number("http.response.status_code", static_cast<std::uint64_t>(f.status));
    w.text("server.address", f.server_address);
    w.number_unless_zero("server.port", f.server_port);
    if (f.operation != nullptr) {
        const auto& row = f.operation->row();
        w.constant("gen_ai.operation.name", row.otel_name);
        w.constant("openai.api.type", row.otel_api);
        w.text("gen_ai.request.model", f.model);
        if (!row.otel_name.empty()) w.flag("gen_ai.request.stream", f.streaming);
    }
    w.text("spillway.client", f.client);
    w.text("spillway.route", f.route);
    w.text("spillway.pool", f.pool);
    w.text("spillway.backend", f.backend);
    w.number("spillway.attempts", f.attempts);
    if (f.record != nullptr) w.text("spillway.record_id", text::to_hex(f.record->bytes));
    if (f.client_left) w.flag("spillway.client_left", true);
    // Of a 4xx the client is the cause, of a broken stream it is not, whatever the status was.
    const bool failed = f.status >= 500 || (f.status < 400 && !f.error.empty() && !f.client_left);
    if (!failed) w.text("spillway.code", f.error);
    conclude(out, w, f.status, f.error, failed);
    return out;
}

span attempt_span(const attempt_facts& f) {
    span out = begin_span(f, span::kind::client);
    const auto& row = f.operation->row();
    const auto operation = row.otel_name.empty() ? f.operation->name : row.otel_name;
    out.name.reserve(operation.size() + 1 + f.request_model.size());
    out.name = operation;
    if (!f.request_model.empty()) out.name.append(" ").append(f.request_model);

    writer w(out, 26);
    w.constant("gen_ai.operation.name", row.otel_name);
    w.constant("gen_ai.provider.name", f.of_azure ? provider : "openai");
    if (f.of_azure) w.constant("azure.resource_provider.namespace", azure_namespace);
    w.constant("openai.api.type", row.otel_api);
    w.constant("gen_ai.output.type", row.otel_output);
    w.text("gen_ai.request.model", f.request_model);
    w.text("gen_ai.response.model", f.response_model);
    w.flag("gen_ai.request.stream", f.streaming);
    add_usage(w, f.tokens, f.source);
    if (f.first_byte > duration::zero() && f.streaming)
        w.real("gen_ai.response.time_to_first_chunk", std::chrono::duration<double>(f.first_byte).count());
    w.constant("http.request.method", f.operation->method);
    if (f.status != 0) w.number("http.response.status_code", static_cast<std::uint64_t>(f.status));
    w.number_unless_zero("http.request.resend_count", f.resend_count);
    w.text("server.address", f.server_address);
    w.number_unless_zero("server.port", f.server_port);
    w.text("cloud.region", f.region);
    w.text("spillway.pool", f.pool);
    w.text("spillway.backend", f.backend);
    w.text("spillway.deployment", f.deployment);
    conclude(out, w, f.status, f.error, f.status == 0 || f.status >= 400 || !f.error.empty());
    return out;
}

}  // namespace spillway::trace
