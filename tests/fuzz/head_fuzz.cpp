// The request path's first reader: heads and bodies as clients send them.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <spillway/http/framing.hpp>
#include <spillway/http/head.hpp>
#include <spillway/http/target.hpp>

using namespace spillway::http;

namespace {

void require(bool what) {
    if (!what) std::abort();
}

bool inside(std::string_view part, std::string_view whole) {
    return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

// However the bytes are split, the body ends at the same place with the same payload.
void scan_body(const message_head& head, std::string_view rest) {
    body_scanner whole(head), split(head);
    std::string a, b;
    const auto r = whole.feed(rest, [&](std::string_view p) { a += p; });
    std::size_t consumed = 0;
    for (const char& c : rest) {
        const auto s = split.feed({&c, 1}, [&](std::string_view p) { b += p; });
        consumed += s.consumed;
        if (s.done || s.error) break;
    }
    require(a == b && whole.done() == split.done() && whole.failed() == split.failed());
    if (r.done) require(r.consumed == consumed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // On the heap and exactly as long as it is, so that a read past the end shows.
    const std::string input(reinterpret_cast<const char*>(data), size);
    const std::string_view all = input;
    const auto end = find_head_end(all);
    if (end == npos) {
        oversize_error(all);
        return 0;
    }
    require(end <= all.size());
    const auto head = all.substr(0, end);
    request_head request;
    if (parse_request(head, {}, request) == head_error::none) {
        // An absolute URL without a path means "/", which lies nowhere in the head.
        require(request.target.front() == '/' && (request.target == "/" || inside(request.target, head)));
        require(inside(request.host, head));
        require(request.fields.count(field_id::host) <= 1 && request.fields.count(field_id::content_length) <= 1);
        require(!(request.fields.has(field_id::content_length) && request.fields.has(field_id::transfer_encoding)));
        for (const auto& f : request.fields) {
            require(inside(f.name, head) && inside(f.value, head));
            require(f.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
        }
        const auto parts = split_target(request.target);
        if (check_path(parts.path) == path_error::none) {
            char memory[512];
            decode_segment(parts.path.substr(parts.path.rfind('/') + 1), memory);
        }
        remove_params(parts.query, secret_params);
        scan_body(request, all.substr(end));
    }
    response_head response;
    if (parse_response(head, {}, false, response) == head_error::none) scan_body(response, all.substr(end));
    return 0;
}
