#include <spillway/http/local_reply.hpp>

#include <spillway/base/json_text.hpp>

namespace spillway::http {

std::string_view reason_phrase(int status) noexcept {
    switch (status) {
        case 100: return "Continue";
        case 101: return "Switching Protocols";
        case 200: return "OK";
        case 201: return "Created";
        case 202: return "Accepted";
        case 204: return "No Content";
        case 206: return "Partial Content";
        case 301: return "Moved Permanently";
        case 302: return "Found";
        case 304: return "Not Modified";
        case 307: return "Temporary Redirect";
        case 308: return "Permanent Redirect";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 411: return "Length Required";
        case 413: return "Content Too Large";
        case 414: return "URI Too Long";
        case 415: return "Unsupported Media Type";
        case 417: return "Expectation Failed";
        case 422: return "Unprocessable Content";
        case 424: return "Failed Dependency";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 499: return "Client Closed Request";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 505: return "HTTP Version Not Supported";
        default: return "Unknown";
    }
}

std::string_view error_type_of(int status) noexcept {
    switch (status) {
        case 401: return "authentication_error";
        case 403: return "permission_error";
        case 404: return "not_found_error";
        case 408:
        case 504: return "timeout_error";
        case 429: return "rate_limit_error";
        default: return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

void append_error_body(std::string& out, std::string_view code, std::string_view message, std::string_view type,
                       std::string_view param) {
    out += R"({"error":{"code":)";
    text::append_json_string(out, code);
    out += R"(,"message":)";
    text::append_json_string(out, message);
    out += R"(,"type":)";
    text::append_json_string(out, type.empty() ? error_type_of(500) : type);
    out += R"(,"param":)";
    if (param.empty()) out += "null";
    else text::append_json_string(out, param);
    out += "}}";
}

std::string error_body(int status, std::string_view code, std::string_view message) {
    std::string out;
    append_error_body(out, code, message, error_type_of(status));
    return out;
}

}  // namespace spillway::http
