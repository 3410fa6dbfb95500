#include "fault_answer.hpp"

#include <ctime>

#include "answer_text.hpp"

namespace spillway::sim {
namespace {

std::string_view usual_message(int status) {
    switch (status) {
        case 401: return "Access denied due to an invalid key or token, or a wrong endpoint.";
        case 403: return "Access denied by a rule of the virtual network or the firewall.";
        case 404: return "Resource not found";
        case 408: return "The operation was timed out.";
        case 409: return "The resource is being changed by another operation.";
        case 429: return "The requests to this deployment have exceeded its rate limit. Please retry later.";
        case 503: return "The service is temporarily unable to process the request. Please try again later.";
        default: return status >= 500 ? "The server had an error while processing the request." : "Bad request.";
    }
}

json refusal_by_filter(const fault_rule& r) {
    json results = filter_results();
    results["violence"] = {{"filtered", true}, {"severity", "medium"}};
    json body =
        error_body("content_filter", r.message.empty() ? "The content filter refused the prompt." : r.message);
    body["error"]["param"] = "prompt";
    body["error"]["type"] = nullptr;
    body["error"]["status"] = r.status;
    body["error"]["innererror"] = {{"code", "ResponsibleAIPolicyViolation"},
                                   {"content_filter_result", std::move(results)}};
    return body;
}

}  // namespace

std::string http_date(wall_time t) {
    const std::time_t seconds_since = wall_clock::to_time_t(t);
    std::tm parts{};
    ::gmtime_r(&seconds_since, &parts);
    char out[40];
    return {out, std::strftime(out, sizeof out, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

answer answer_of(const fault_rule& r) {
    answer out;
    out.status = r.status;
    out.content_type = r.content_type;
    const std::string code = r.code.empty() ? std::to_string(r.status) : r.code;
    const std::string message = r.message.empty() ? std::string(usual_message(r.status)) : r.message;
    if (r.body) out.pieces.push_back({*r.body, 0});
    else if (r.status == 304 || r.status == 204) out.pieces.clear();
    else if (r.code == "content_filter") out.pieces.push_back({to_text(refusal_by_filter(r)), 0});
    else out.pieces.push_back({to_text(error_body(code, message, r.status >= 500 ? "server_error" : "")), 0});

    if (!r.retry_after.empty()) out.headers.emplace_back("Retry-After", r.retry_after);
    if (r.retry_after_date != duration::zero()) {
        const auto ahead = std::chrono::duration_cast<wall_clock::duration>(r.retry_after_date);
        out.headers.emplace_back("Retry-After", http_date(wall_clock::now() + ahead));
    }
    if (!r.retry_after_ms.empty()) out.headers.emplace_back("retry-after-ms", r.retry_after_ms);
    if (!r.x_ms_retry_after_ms.empty()) out.headers.emplace_back("x-ms-retry-after-ms", r.x_ms_retry_after_ms);
    out.headers.insert(out.headers.end(), r.headers.begin(), r.headers.end());
    return out;
}

std::string error_event_of(const exchange& x, const fault_rule& r, std::uint64_t events_before) {
    if (r.body) return "data: " + *r.body + "\n\n";
    const std::string code = r.code.empty() ? "server_error" : r.code;
    const std::string message = r.message.empty() ? std::string(usual_message(r.status)) : r.message;
    const auto form = r.what == "error"    ? failure_form::error
                      : r.what == "failed" ? failure_form::failed
                      : r.what == "both"   ? failure_form::both
                                           : failure_form::usual;
    return failure_event(x.as_call(), events_before, code, message, form, r.status == 500 ? 0 : r.status);
}

// What a stream may begin with before the model has said anything.
std::string preamble_event_of(const exchange& x, const fault_rule& r, std::uint64_t number) {
    if (r.what == "comment") return ": queued\n\n";
    if (r.what == "retry") return "retry: 3000\n\n";
    if (r.what == "filter")
        return event_text({{"choices", json::array()},
                           {"created", 0},
                           {"id", ""},
                           {"model", ""},
                           {"object", ""},
                           {"prompt_filter_results",
                            json::array({json{{"prompt_index", 0}, {"content_filter_results", filter_results()}}})}});
    if (r.what == "keepalive") return event_text({{"type", "keepalive"}, {"sequence_number", number}}, "keepalive");
    const std::string type = "response." + r.what;
    const json response{
        {"id", "resp_" + x.id}, {"object", "response"}, {"status", r.what}, {"output", json::array()}};
    return event_text({{"type", type}, {"sequence_number", number}, {"response", response}}, type);
}

std::string long_event(const exchange& x, std::uint64_t bytes) {
    json data;
    if (x.op == operation::responses) data["type"] = "response.in_progress";
    else data["choices"] = json::array();
    data["obfuscation"] = "";
    const std::string name = x.op == operation::responses ? "response.in_progress" : "";
    const std::size_t bare = std::string("data: ").size() + to_text(data).size();
    data["obfuscation"] = std::string(bytes > bare ? bytes - bare : 0, 'x');
    return event_text(data, name);
}

}  // namespace spillway::sim
