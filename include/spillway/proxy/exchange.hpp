#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <spillway/base/fault.hpp>
#include <spillway/core/body_facts.hpp>
#include <spillway/core/exchange.hpp>
#include <spillway/core/operation.hpp>
#include <spillway/core/told_time.hpp>
#include <spillway/http/framing.hpp>
#include <spillway/http/head.hpp>
#include <spillway/http/request_content.hpp>
#include <spillway/http/sse.hpp>
#include <spillway/http/stream_error.hpp>
#include <spillway/net/upstream.hpp>
#include <spillway/proxy/request_usage.hpp>
#include <spillway/proxy/session.hpp>
#include <spillway/proxy/snapshot.hpp>

namespace spillway::http {
class head_writer;
class json_query;
enum class json_error : std::uint8_t;
}  // namespace spillway::http

namespace spillway::proxy {

// What an exchange needs only until its answer is committed: heads, bodies, the state of attempts. Recycled by the
// worker, so that a stream that runs for minutes does not hold it.
struct scratch {
    explicit scratch(net::slab_pool& slabs) : body(slabs), out(slabs), answer(slabs) {}
    void clear() noexcept;

    http::request_head request;
    http::response_head response;
    net::buffer body;    // the request's body, when it does not lie behind the head in the session's input
    net::buffer out;     // head of the attempt, then head of the answer
    net::buffer answer;  // what came from the backend and is not passed on yet
    std::string target;  // rewritten request target
    std::string start;   // data of the event at the start of a stream that is being judged
};

// One request and its answer: performs what the exchange machine of the core decides.
//
// Its life in files: exchange.cpp (head, client, route, account), request_body.cpp, request_content.cpp, attempts.cpp
// (the loop), attempt.cpp (one try), answer_start.cpp (what its answer begins with), relay.cpp (the committed
// answer), reply.cpp and local_service.cpp (the gateway's own answers), access_log.cpp; what is counted and limited:
// admission.cpp, usage.cpp, tracing.cpp, capture.cpp.
class exchange {
public:
    explicit exchange(session& s);
    exchange(const exchange&) = delete;
    exchange& operator=(const exchange&) = delete;
    ~exchange();

    // Serves one request. False when the connection must not carry another one.
    net::task<bool> run();

private:
    using maybe_fault = std::optional<fault>;
    enum class head_state : std::uint8_t { complete, nothing, refused };
    enum class framing : std::uint8_t { pass, encode, close };
    enum class relay_end : std::uint8_t { complete, client_left, broken };
    enum class progress : std::uint8_t { nothing, head_sent, complete };
    enum class head_search : std::uint8_t { missing, found, bad };
    enum class hearing : std::uint8_t { silence, answered, full };
    enum class body_begins : std::uint8_t { begun, not_yet, never };

    // exchange.cpp
    static fault bad_request(std::string message);
    net::task<bool> serve();
    net::task<bool> refuse_limited();
    net::task<head_state> read_head();
    maybe_fault understand();
    maybe_fault classify();
    maybe_fault find_route();
    maybe_fault check_other_names(core::route_query q);
    fault no_route(std::string_view deployment) const;
    void find_client_address();
    void set_request_id(std::string_view id) noexcept;
    void make_request_id() noexcept;
    void account();
    void note_error();

    // asked.cpp
    maybe_fault read_path(std::string_view path);
    void refuse_head(fault why);
    void note_start_line();
    bool may_be_secret(std::string_view name, bool ask_keys) const;
    std::string_view deployment_told() const;
    void append_path(std::string& out) const;
    void append_asked(std::string& out) const;

    // authenticate.cpp
    maybe_fault check_door();
    maybe_fault identify();
    maybe_fault identify_by_token(std::string_view token);
    maybe_fault take_token(const known_token& known);
    fault token_refusal(core::token_error e);
    net::task<maybe_fault> identify_with_fresh_keys(fault refusal);
    bool identify_by_certificate(wall_time now);
    void count_authentication();
    net::task<void> slow_down();

    // admission.cpp
    // In one step when the body is here, else in two: whether there may be one more request, then all that it takes.
    enum class quota_step : std::uint8_t { whole, entrance, rest };
    std::uint64_t reserved_answer() const noexcept;
    shared::amounts estimate() const noexcept;
    const std::shared_ptr<shared::holder>* holder_at(std::size_t i) const noexcept;
    shared::verdict take_quota(std::size_t index, quota_step step) noexcept;
    net::task<shared::verdict> ask_quota(std::size_t index, quota_step step);
    bool is_limited() const noexcept { return holder_at(0) != nullptr || the_pool().shed; }
    net::task<bool> enter();
    net::task<bool> admit();
    void refuse_by_quota(const shared::verdict& v, std::size_t index);
    shared::amounts held_of(std::size_t index) const noexcept {
        return index < usage_.held ? usage_.estimate : shared::amounts{};
    }
    maybe_fault check_shed();
    duration until_pool_recovers() const;
    std::string_view count_quota_refusal(const shared::verdict& v);
    void give_back_quotas() noexcept;
    void settle_quotas(const shared::amounts& real, time_point ended) noexcept;
    void write_rate_fields(http::head_writer& w) const;

    // suspicion.cpp
    time_point suspicion_begins() const noexcept;
    bool suspects_dead(time_point& look_again);

    // usage.cpp
    void watch_answer();
    void keep_prompt();
    void note_end_user(std::string_view raw);
    bool ends_with_error() const noexcept;
    // The code of the gateway's own answer, or why a stream broke; empty: neither.
    std::string_view failure_word() const noexcept { return reply_code_.empty() ? broken_why_ : reply_code_; }
    core::usage_outcome outcome_of_request() const noexcept;
    bool read_tokens(core::usage_record& r) const;
    void fill_record(core::usage_record& r, time_point ended);
    void account_usage(time_point ended);
    std::uint64_t text_cut() const noexcept;
    void guess_tokens(core::usage_record& r) const noexcept;
    bool left_unanswered() const noexcept;
    void guess_unseen(core::usage_record& r, time_point ended) const noexcept;
    bool estimate_elsewhere(core::usage_record& r, const std::optional<config::price>& price, time_point ended);
    void count_tokens(const core::usage_record& r, time_point ended);

    // tracing.cpp
    void begin_trace();
    void begin_attempt_span();
    void end_attempt_span(int status, std::string_view error);
    void end_trace();

    // capture.cpp
    void capture_prompt();
    void capture_answer(std::string_view payload);
    void end_capture();

    // cors.cpp
    void find_origin();
    void write_cors_fields(http::head_writer& w) const;
    net::task<bool> answer_options();

    // local_service.cpp
    bool is_local_path() const noexcept;
    net::task<bool> local_service();

    // route_health.cpp
    bool is_route_health() const noexcept;
    net::task<bool> route_health();
    net::task<maybe_fault> identify_prober();
    net::task<bool> list_models();

    // attempts.cpp
    core::request_facts facts() const;
    net::task<bool> run_attempts();
    void count_attempt(const pool& p, const core::outcome& o);
    void apply(const core::effect& e);
    void apply_to_backend(const core::effect& e, const backend& b, core::failure f, time_point now);
    void apply_to_instance(const core::effect& e, const instance& i, core::failure f, time_point now);
    void apply_settled();
    void note_served() noexcept;
    void settle_attempt() noexcept;
    void leave_attempts() noexcept;
    std::uint32_t client_number() const noexcept { return static_cast<std::uint32_t>(client_.value_or(0)); }
    void log_connect_failure(const backend& b, const std::string& detail);

    // request_body.cpp
    bool body_is_here() noexcept;
    net::task<maybe_fault> read_body();
    net::task<maybe_fault> read_rest_in_place(std::size_t missing);
    net::task<maybe_fault> read_long_body();
    net::task<maybe_fault> read_chunked_body();
    void count_received(std::size_t bytes) noexcept;
    net::task<net::io_result> read_some_body(std::span<char> room, time_point begun, std::size_t received);
    maybe_fault hold_memory(std::size_t bytes);
    struct body_question;
    maybe_fault scan_body();
    net::task<maybe_fault> scan_long_body();
    bool is_long_body() const noexcept;
    net::task<bool> others_first(net::turn& turn);
    static fault not_utf8();
    maybe_fault read_body_facts(body_question& asked, http::json_error e);
    void place_model(const http::json_member& model, const http::json_query& q) noexcept;
    void plan_usage_question(const http::json_query& q, std::size_t options);
    fault body_read_fault(const net::io_result& r) const;

    // request_content.cpp
    maybe_fault check_content();
    net::task<maybe_fault> decode_body();
    maybe_fault read_model(const http::json_member& model);
    maybe_fault check_needs(core::route_query q);

    // attempt.cpp
    net::task<core::outcome> attempt(const core::action& a);
    void forget_answer() noexcept;
    bool compose_request(const backend& b);
    bool asks_usage(const backend& b) const noexcept;
    std::array<std::string_view, 5> outgoing_body(const backend& b) const noexcept;
    http::usage_edit model_edit(const backend& b) const noexcept;
    std::size_t outgoing_body_bytes(const backend& b) const noexcept;
    net::task<net::io_result> send_request(const backend& b, time_point deadline);
    net::task<net::io_result> send_piece(std::string_view bytes, time_point deadline);
    hearing hear_early_answer();
    head_search find_answer_head();
    net::task<core::outcome> read_answer_head(time_point deadline, bool sent_all);
    void finish_refused() noexcept;
    void give_back_unused() noexcept;
    void finish_upstream(bool in_step) noexcept;
    void drop_connection() noexcept;

    // answer_start.cpp
    core::throttle_fields throttle_fields() const noexcept;
    void feed_answer();
    std::span<char> more_room();
    net::task<void> read_refusal(core::outcome& o);
    void note_refusal(core::outcome& o);
    bool is_event_stream() const noexcept;
    net::task<void> judge_stream_start(core::outcome& o, time_point deadline);
    void judge_start(core::outcome& o);
    body_begins body_start() const noexcept;
    net::task<void> await_body(core::outcome& o);

    // credential.cpp
    std::string_view auth_name(const instance& i) const noexcept;
    std::string_view auth_value(const backend& b, const instance& i) const noexcept;
    bool token_at_hand(const backend& b);
    net::task<void> await_token(const backend& b, time_point deadline);
    net::task<void> renew_token(const backend& b, time_point deadline);
    void note_challenge();
    void wipe_client_secrets() noexcept;

    // relay.cpp
    net::task<bool> relay();
    void choose_framing() noexcept;
    bool compose_answer_head();
    void append_framed(net::buffer& out, std::string_view bytes);
    void append_chunk(net::buffer& out, std::string_view payload);
    void append_filtered(net::buffer& out, std::string_view bytes);
    void append_end(net::buffer& out);
    http::scan_result scan_answer(std::string_view bytes);
    net::task<relay_end> pump();
    bool ends_by(const net::io_result& r);
    void note_missing_end();
    bool may_insert() const noexcept;
    void append_inserted(net::buffer& out, std::string_view text);
    net::task<bool> end_broken_answer();
    net::task<void> answer_exception();
    bool lost_client() noexcept;

    // reply.cpp
    net::task<bool> refuse(const fault& f);
    net::task<bool> refuse_until(const fault& f, duration wait, std::optional<bool> should_retry);
    net::task<bool> send_local(int status, std::string_view content_type, std::string_view body,
                               std::string_view extra_fields);
    void write_own_fields(http::head_writer& w, bool has_request_id);
    bool replaces_wait(http::field_id id) const noexcept;
    void write_wait_fields(http::head_writer& w) const;
    net::task<void> drain_request();

    // access_log.cpp
    void write_access_log();
    void append_tries(std::string& out) const;

    const pool& the_pool() const noexcept { return snapshot_->shared->pools[*pool_]; }
    stats::label pool_label() const noexcept { return pool_ ? the_pool().label : stats::label{0}; }
    std::string_view request_id() const noexcept { return {request_id_.data(), request_id_size_}; }
    time_point write_deadline() const noexcept { return worker_.now() + session_.from().limits.write_timeout; }
    bool served_by_headers() const noexcept;
    void release_scratch() noexcept;
    void release_request() noexcept;
    void release_memory() noexcept;
    void release_prompt() noexcept;

    session& session_;
    worker& worker_;
    std::shared_ptr<worker_snapshot> snapshot_;
    std::unique_ptr<scratch> scratch_;

    // the request
    time_point began_{};
    std::size_t head_bytes_{0};  // in the session's input
    std::size_t input_used_{0};  // head and body bytes there, to be consumed at the end
    http::body_scanner request_body_;
    std::string_view path_, query_;  // without a doubled slash in front and one at the end; without secrets
    std::string_view api_path_;      // path_ below the listener's base path
    std::string_view cors_origin_;   // that the listener lists; empty: no page of such an origin asks
    std::string client_address_;     // as a trusted proxy tells it; empty: the peer itself
    std::string query_kept_;         // the query without its secrets, when it had some
    std::string_view body_, name_in_body_, user_;
    // Where `model` stands in the body of a dated request, or would begin; for instances of kind openai.
    struct {
        std::size_t at{0}, removed{0};
        bool alone{false};  // the body has no member
    } model_place_;
    std::string deployment_;  // the name that the client uses, decoded
    core::body_needs needs_;  // of the route, for what the body names
    core::classified classified_{};
    std::array<char, 64> request_id_{};
    std::uint8_t request_id_size_{0};
    std::uint8_t client_minor_{1};
    bool keep_client_{false}, head_request_{false}, expects_continue_{false}, has_body_{false};
    bool request_read_{false}, streams_{false}, is_probe_{false};
    http::content_coding coding_{http::content_coding::identity};
    fault refusal_{};  // of a head that could not be read
    http::stream_family stream_family_{http::stream_family::chat};
    std::size_t held_memory_{0};
    std::optional<std::size_t> client_, route_, pool_;
    std::optional<std::size_t> waits_for_keys_;  // provider whose fresh keys could make the token good
    std::string_view auth_method_{"none"}, auth_result_, auth_label_;
    bool passthrough_only_{false};  // the client's token was made for Azure itself
    bool passes_token_{false};      // the client's own token goes to the instance

    // the attempts
    std::unique_ptr<net::upstream_connection> connection_;
    std::optional<core::exchange_machine> machine_;
    const backend* serving_{nullptr};
    bool counted_{false};  // in serving_'s outstanding
    std::uint32_t attempts_{0};
    std::uint64_t token_version_{0};                       // of the token that the last attempt carried
    std::string challenge_;                                // claims that the backend wants proven
    std::pair<std::size_t, std::size_t> secret_in_out_{};  // where scratch_->out holds our credential
    time_point attempt_began_{}, first_byte_at_{};

    // the answer
    duration told_wait_{};  // of a backend's own refusal: the smallest remaining wait, over all backends
    std::optional<bool> told_retry_;
    http::body_scanner answer_body_, unchunk_;
    std::unique_ptr<http::sse_scanner> events_;
    std::size_t answer_head_bytes_{0}, fed_{0}, forwardable_{0};  // answer_head_bytes_ 0: not there yet
    std::size_t head_searched_{0}, interim_heads_{0};
    bool surplus_{false}, upstream_keeps_{false}, client_left_{false};
    bool answer_begun_{false};  // bytes of an answer may have gone to the client
    framing framing_{framing::pass};
    progress progress_{progress::nothing};
    int status_{0};
    std::string_view reply_code_, broken_why_;
    origin reply_who_{origin::gateway};
    std::string_view method_;  // static storage, or empty
    request_usage usage_;
    std::uint64_t bytes_to_client_{0};
    duration idle_timeout_{seconds(60)};
};

}  // namespace spillway::proxy
