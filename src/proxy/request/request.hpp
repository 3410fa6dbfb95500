#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <spillway/core/account.hpp>
#include <spillway/core/operation.hpp>
#include <spillway/http/head.hpp>

#include "body.hpp"
#include "form.hpp"
#include "terms.hpp"

namespace spillway::proxy {

// What a client asks for: its head, its body and what both say. Owns the memory that all views of the request point
// into, until release(). Other rooms get it as const.
class request {
public:
    enum class arrival : std::uint8_t { complete, nothing, refused };

    explicit request(const setting& at) : body(at), at_(at) {}
    request(const request&) = delete;
    request& operator=(const request&) = delete;
    ~request() { give_back_memory(); }

    // Waits for a whole head. Nothing: the client sends no further request. Refused: refusal() says why.
    net::task<arrival> read_head();
    const fault& refusal() const noexcept { return *refusal_; }
    // What the head says about the message itself: who asks, where from, for which path. BadRequest: an ambiguous
    // one.
    maybe_fault understand();
    // Which operation of the API it is. Faults as core::classify(), BadRequest.
    maybe_fault classify();
    // What the body says; see terms_reader. In turns when it is long, so that others go on.
    bool has_long_body() const noexcept { return body.size() > terms_slice; }
    maybe_fault read_terms();
    net::task<maybe_fault> read_long_terms();
    // How much of the body is prompt, when tokens are counted. A long body's is known by then.
    void measure_prompt();
    void serve_as_probe() noexcept { is_probe = true; }
    // How far reading has come is unknown: the connection ends with the answer.
    void lose_step() noexcept {
        keeps = false;
        body.give_up();
    }

    // The client's key or token has done its work. Its memory is the session's, which will hold other requests.
    void wipe_secrets() noexcept;
    // An open stream holds nothing of its request: no view into it is used after this.
    void release() noexcept;

    const http::request_head& head() const noexcept { return scratch_->request; }
    const http::field_table& fields() const noexcept { return scratch_->request.fields; }
    bool has_memory() const noexcept { return scratch_ != nullptr; }
    // Shared with the attempts and the answer, which write their own parts of it.
    scratch& memory() const noexcept { return *scratch_; }
    std::string_view id() const noexcept { return {id_.data(), id_size_}; }
    const body_marks& marks() const noexcept { return scratch_->marks; }
    core::family family() const noexcept { return what.op->family; }
    // Tokens of the answer as far as they are reserved.
    std::uint64_t reserved_answer() const noexcept {
        return core::reserved_answer(*what.op, terms.answer_limit, terms.choices);
    }
    std::string_view operation_name() const noexcept {
        return what.op != nullptr ? what.op->name : std::string_view{};
    }

    // Values, each as soon as the step is done that finds it; written by the steps above alone.
    time_point began{};
    wall_time began_wall{};
    std::string_view method;          // static storage; empty: none that is known
    std::string_view path, api_path;  // without doubled slashes; the second below the listener's base path
    std::string_view query;           // without secrets
    std::string_view cors_origin;     // that the listener lists; empty: no page of such an origin asks
    std::string client_address;       // as a trusted proxy tells it; empty: the peer itself
    core::named_operation what{};     // with its ids in scratch::upstream_what
    std::string deployment;           // the name that the client uses, decoded
    request_terms terms;
    request_body body;
    std::uint8_t minor{1};  // of HTTP/1
    // keeps: the client wants to go on with the connection
    bool keeps{false}, head_only{false}, is_probe{false};

private:
    void take_memory();
    void give_back_memory() noexcept;
    void begin() noexcept;
    void refuse_head(fault why);
    void note_start_line();
    void find_client_address();
    void find_origin();
    void set_id(std::string_view id) noexcept;
    void make_id() noexcept;
    maybe_fault read_path(std::string_view raw);
    terms_wanted wanted() const noexcept;
    maybe_fault take_name(maybe_fault f);

    const setting& at_;
    std::unique_ptr<scratch> scratch_;
    std::array<char, 64> id_{};
    std::uint8_t id_size_{0};
    std::unique_ptr<fault> refusal_;
};

fault bad_request(std::string message);

}  // namespace spillway::proxy
