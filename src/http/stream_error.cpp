#include <spillway/http/stream_error.hpp>

#include <spillway/base/json_text.hpp>
#include <spillway/http/local_reply.hpp>

namespace spillway::http {

void append_stream_error(std::string& out, stream_family family, const stream_error& e) {
    switch (family) {
        case stream_family::chat:
            out += "data: ";
            append_error_body(out, e.code, e.message, error_type_of(500));
            break;
        case stream_family::assistants:
            out += "event: error\ndata: ";
            append_error_body(out, e.code, e.message, error_type_of(500));
            break;
        case stream_family::responses:
            // Without an id the client could not tell which response failed: the plain error event.
            if (e.response_id.empty()) {
                out += R"(event: error
data: {"type":"error","code":)";
                text::append_json_string(out, e.code);
                out += R"(,"message":)";
                text::append_json_string(out, e.message);
                out += R"(,"param":null,"sequence_number":)" + std::to_string(e.sequence_number) + "}";
                break;
            }
            out += R"(event: response.failed
data: {"type":"response.failed","sequence_number":)" +
                   std::to_string(e.sequence_number) + R"(,"response":{"id":)";
            text::append_json_string(out, e.response_id);
            out += R"(,"object":"response","status":"failed","output":[],"error":{"code":)";
            text::append_json_string(out, e.code);
            out += R"(,"message":)";
            text::append_json_string(out, e.message);
            out += "}}}";
            break;
    }
    out += "\n\n";
}

}  // namespace spillway::http
