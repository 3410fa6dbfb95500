#include "message.hpp"

#include <algorithm>
#include <array>

#include <spillway/base/text.hpp>
#include <spillway/http/framing.hpp>
#include <spillway/http/head.hpp>
#include <spillway/http/writer.hpp>

namespace spillway::sim {
namespace {

constexpr http::head_limits limits{64 * 1024, 128, 16 * 1024};
constexpr std::uint64_t max_body = 128ULL * 1024 * 1024, max_form = 1024ULL * 1024 * 1024;
constexpr std::size_t shown_of_form = 64 * 1024;
constexpr duration patience = seconds(60);  // between two reads of one request

int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    c = text::lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

struct body_plan {
    http::body_scanner scanner;
    bool expect_continue{false};
};

std::string percent_decoded(std::string_view s) {
    std::string out;
    for (std::size_t i = 0; i < s.size(); ++i) {
        const int high = s[i] == '%' && i + 2 < s.size() ? hex_digit(s[i + 1]) : -1;
        const int low = high >= 0 ? hex_digit(s[i + 2]) : -1;
        if (low < 0) {
            out += s[i];
            continue;
        }
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

std::string_view request::header(std::string_view name) const noexcept {
    for (const auto& [n, value] : headers)
        if (text::iequals(n, name)) return value;
    return {};
}

std::string_view request::parameter(std::string_view name) const noexcept {
    std::string_view rest = query;
    while (!rest.empty()) {
        const std::string_view one = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), one.size() + 1));
        const auto equal = one.find('=');
        if (text::iequals(one.substr(0, equal), name))
            return equal == std::string_view::npos ? one.substr(one.size()) : one.substr(equal + 1);
    }
    return {};
}

void request::set_target(std::string_view whole) {
    target = whole;
    const auto mark = whole.find('?');
    path = whole.substr(0, mark);
    query = mark == std::string_view::npos ? std::string_view{} : whole.substr(mark + 1);
}

request_end request_reader::refuse(int status, std::string_view why) {
    refusal_status_ = status;
    refusal_ = why;
    return request_end::refused;
}

net::task<request_end> request_reader::read(request& out, time_point until, net::interrupt* by) {
    std::size_t end = http::find_head_end(in_.view());
    for (std::size_t seen = in_.size(); end == http::npos; seen = in_.size()) {
        if (seen > limits.bytes) co_return refuse(431, "the head is too large");
        const bool idle = seen == 0;
        const std::span<char> room = in_.prepare(4096);
        const time_point due = idle ? until : clock::now() + patience;
        const net::io_result r = co_await io_.read_some(room, due, idle ? by : nullptr);
        if (r.status == net::io_status::timed_out) co_return request_end::timed_out;
        if (r.status == net::io_status::interrupted) co_return request_end::interrupted;
        if (!r.ok()) co_return request_end::closed;
        in_.commit(r.bytes);
        end = http::find_head_end(in_.view(), seen);
    }
    http::request_head head;
    const auto error = http::parse_request(in_.view().substr(0, end), limits, head);
    if (error != http::head_error::none) co_return refuse(http::status_of(error), http::describe(error));
    out = {};
    out.method = head.method;
    out.set_target(head.target);
    for (const auto& f : head.fields) out.headers.emplace_back(f.name, f.value);
    out.minor_version = head.minor_version;
    out.keep_alive = head.keep_alive;
    const body_plan plan{http::body_scanner(head), head.expect_continue};
    in_.consume(end);
    if (leave_body && leave_body(out)) co_return request_end::unread;
    co_return co_await read_body(out, plan);
}

net::task<request_end> request_reader::read_body(request& out, const body_plan& plan) {
    http::body_scanner scanner = plan.scanner;
    bool told_to_continue = !plan.expect_continue;
    const auto boundary = form_data::boundary_in(out.header("content-type"));
    std::shared_ptr<form_data> form;
    if (boundary) form = std::make_shared<form_data>(*boundary);
    out.form = form;
    const auto take = [&out, &form](std::string_view payload) {
        out.body_bytes += payload.size();
        if (form) form->feed(payload);
        out.body += form ? payload.substr(0, shown_of_form - std::min(shown_of_form, out.body.size())) : payload;
    };
    while (!scanner.done()) {
        if (!in_.empty()) {
            const auto fed = scanner.feed(in_.view(), take);
            in_.consume(fed.consumed);
            if (fed.error) co_return refuse(400, http::describe(scanner.error()));
            if (out.body_bytes > (form ? max_form : max_body)) co_return refuse(413, "the body is too large");
            continue;
        }
        if (!told_to_continue) {
            told_to_continue = true;
            const net::io_result w = co_await io_.write_all("HTTP/1.1 100 Continue\r\n\r\n", clock::now() + patience);
            if (!w.ok()) co_return request_end::closed;
        }
        const std::span<char> room = in_.prepare(16384);
        const net::io_result r = co_await io_.read_some(room, clock::now() + patience);
        if (!r.ok()) co_return request_end::closed;
        in_.commit(r.bytes);
    }
    co_return request_end::complete;
}

std::string head_text(int status, const header_list& headers) {
    std::size_t room = 128;
    for (const auto& [name, value] : headers) room += name.size() + value.size() + 4;
    std::string memory(room, '\0');
    http::head_writer out(memory);
    out.status_line(status);
    for (const auto& [name, value] : headers) out.field(name, value);
    out.end();
    if (!out.ok()) return head_text(status, {{"Content-Length", "0"}, {"Connection", "close"}});
    memory.resize(out.written().size());
    return memory;
}

}  // namespace spillway::sim
