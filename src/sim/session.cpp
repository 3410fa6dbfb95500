#include "session.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>

#include <spillway/base/text.hpp>
#include <spillway/http/framing.hpp>

#include "fault_answer.hpp"
#include "gzip.hpp"

namespace spillway::sim {
namespace {

constexpr duration write_patience = minutes(5);

}  // namespace

session::session(simulation& all, instance& at, net::interrupt& faults_changed) noexcept
    : all_(all), at_(at), faults_changed_(faults_changed), io_(all.loop), reader_(io_, all.slabs) {
    ++at_.connections.opened;
    ++at_.connections.open;
    reader_.leave_body = [this](const request& r) {
        early_ = all_.faults.choose_for_connection(fault_kind::early_refusal, at_.options().name);
        if (early_ && text::parse_unsigned(r.header("content-length")).value_or(0) <= early_->bytes) early_.reset();
        return early_.has_value();
    };
    io_.events().idle_context = this;
    io_.events().on_idle = [](net::watch& w) noexcept {
        if (w.hung_up) static_cast<session*>(w.idle_context)->gone_.fire();
    };
}

session::~session() { --at_.connections.open; }

net::task<> session::run(int fd, SSL_CTX* tls) {
    io_.open(fd);
    if (tls != nullptr && !co_await secure(tls)) co_return;
    for (bool more = true; more;) more = co_await serve_one();
    io_.close(true);
}

net::task<bool> session::secure(SSL_CTX* tls) {
    if (const auto rule = all_.faults.choose_for_connection(fault_kind::refuse_tls, at_.options().name)) {
        all_.faults.count_applied(rule->id);
        ++at_.connections.tls_failed;
        co_await refuse_handshake();
        co_return false;
    }
    SSL* ssl = SSL_new(tls);
    SSL_set_accept_state(ssl);
    io_.start_tls(ssl);
    const net::io_result r = co_await io_.handshake(clock::now() + seconds(30));
    if (!r.ok()) {
        ++at_.connections.tls_failed;
        co_return false;
    }
    ++at_.connections.tls_handshakes;
    if (SSL_session_reused(ssl) == 1) ++at_.connections.tls_resumed;
    co_return true;
}

// Reads what the client says first: unread bytes would turn the alert into a reset.
net::task<> session::refuse_handshake() {
    constexpr std::string_view handshake_failure{"\x15\x03\x03\x00\x02\x02\x28", 7};
    char hello[4096];
    const net::io_result r = co_await io_.read_some(hello, clock::now() + seconds(5));
    if (!r.ok()) co_return;
    const net::io_result w = co_await io_.write_all(handshake_failure, clock::now() + seconds(5));
    if (w.ok()) io_.close();
}

net::task<bool> session::next_request(request& out) {
    const time_point since = clock::now();
    for (;;) {
        std::optional<fault_rule> drop;
        if (used_) drop = all_.faults.choose_for_connection(fault_kind::drop_idle, at_.options().name);
        const time_point until = drop ? since + drop->length : time_point::max();
        const request_end end = co_await reader_.read(out, until, &faults_changed_);
        if (end == request_end::interrupted) {
            faults_changed_.reset();
            continue;
        }
        if (end == request_end::timed_out && drop) {
            all_.faults.count_applied(drop->id);
            ++at_.connections.dropped_idle;
        }
        if (end == request_end::refused) {
            const std::string body = to_text(error_body("400", reader_.refusal()));
            const header_list headers{{"Content-Type", "application/json"},
                                      {"Content-Length", std::to_string(body.size())},
                                      {"Connection", "close"}};
            const std::string whole = head_text(reader_.refusal_status(), headers) + body;
            co_await write(whole);
        }
        if (end == request_end::unread) co_await refuse_early(out);
        co_return end == request_end::complete;
    }
}

// True when the connection can take another request.
net::task<bool> session::serve_one() {
    exchange x;
    gone_.reset();
    if (!co_await next_request(x.asked)) co_return false;
    used_ = true;
    keep_ = x.asked.keep_alive;
    head_sent_ = usage_told_ = fault_answered_ = false;
    body_bytes_ = events_ = tokens_sent_ = 0;
    at_.begin(x);
    all_.name(x);
    all_.remember(at_, x);
    const chosen_faults faults = all_.faults.choose(at_.options().name, x.deployment_name, x.wants_stream());
    sent how = co_await meet_early_faults(faults);
    if (how != sent::whole) {
        finish(x, {}, how);
        co_return false;
    }
    const fault_rule* error = faults.find(fault_kind::status);
    fault_answered_ = error != nullptr;
    if (const auto* drift = faults.find(fault_kind::drift); drift != nullptr) {
        x.other_model = drift->model;
        x.other_region = drift->region;
    }
    answer a = error != nullptr ? answer_of(*error) : at_.reply(x, clock::now());
    if (faults.find(fault_kind::empty) != nullptr) make_empty(a);
    if (faults.find(fault_kind::gzip) != nullptr && !a.pieces.empty()) compress(a);
    at_.add_headers(x, a, clock::now());
    if (a.streamed) ++x.counters->open_streams;
    how = co_await play(x, a, faults);
    if (a.streamed) --x.counters->open_streams;
    finish(x, a, how);
    co_return how == sent::whole&& keep_;
}

net::task<session::sent> session::meet_early_faults(const chosen_faults& faults) {
    if (const auto* delay = faults.find(fault_kind::delay); delay != nullptr) {
        const sent how = co_await pause_until(clock::now() + delay->length);
        if (how != sent::whole) co_return how;
    }
    if (faults.find(fault_kind::hang) != nullptr) co_return co_await pause_until(time_point::max());
    if (const auto* reset = faults.find(fault_kind::reset); reset != nullptr && !reset->amid_body()) {
        io_.abort();
        co_return sent::cut;
    }
    co_return sent::whole;
}

net::task<session::sent> session::play(const exchange& x, const answer& a, const chosen_faults& faults) {
    const time_point began = clock::now();
    if (a.status == 200 && x.on != nullptr && !a.pieces.empty()) {
        const auto& o = x.on->options;
        const std::uint64_t made = a.streamed ? a.pieces.front().after_tokens : a.pieces.back().after_tokens;
        const sent how = co_await pause_until(began + o.first_token + o.per_token * made);
        if (how != sent::whole) co_return how;
    }
    chunked_ = a.streamed && x.asked.minor_version == 1;
    if (faults.find(fault_kind::connection_close) != nullptr || (a.streamed && !chunked_)) keep_ = false;
    if (a.streamed && faults.find(fault_kind::error_event) != nullptr) keep_ = false;
    if (const auto* interim = faults.find(fault_kind::interim); interim != nullptr) {
        const sent how = co_await play_interim(*interim);
        if (how != sent::whole) co_return how;
    }
    const std::string head = head_of(x, a);
    ++x.counters->by_status[a.status];
    head_sent_ = true;
    sent how = co_await write(head);
    if (how != sent::whole) co_return how;
    if (const auto* silence = faults.find(fault_kind::silence); silence != nullptr) {
        how = co_await pause_until(clock::now() + silence->length);
        if (how != sent::whole) co_return how;
    }
    co_return co_await play_body(x, a, faults, began);
}

net::task<session::sent> session::play_body(const exchange& x, const answer& a, const chosen_faults& faults,
                                            time_point began) {
    if (x.asked.method == "HEAD") co_return sent::whole;
    if (a.content) co_return co_await play_content(*a.content, faults);
    if (!a.streamed) {
        if (a.pieces.empty()) co_return sent::whole;
        const sent how = co_await write_body(a.pieces.front().bytes, faults);
        if (how == sent::whole) {
            tokens_sent_ = a.usage.completion;
            usage_told_ = a.pieces.front().tells_usage;
        }
        co_return how;
    }
    sent how{};
    if (faults.empty()) how = co_await play_undisturbed(x, a, began);
    else how = co_await play_events(x, a, faults, began);
    if (how != sent::whole || !chunked_) co_return how;
    co_return co_await write(http::last_chunk);
}

net::task<session::sent> session::play_content(const blob& content, const chosen_faults& faults) {
    constexpr std::uint64_t block = 256ULL * 1024;
    for (std::uint64_t at = 0; at < content.size(); at += block) {
        const std::string bytes = content.part(at, block);
        const sent how = co_await write_body(bytes, faults);
        if (how != sent::whole) co_return how;
    }
    co_return sent::whole;
}

net::task<session::sent> session::play_events(const exchange& x, const answer& a, const chosen_faults& faults,
                                              time_point began) {
    if (const auto* preamble = faults.find(fault_kind::preamble); preamble != nullptr) {
        const sent how = co_await play_preamble(x, *preamble);
        if (how != sent::whole) co_return how;
    }
    if (const auto* line = faults.find(fault_kind::long_line); line != nullptr) {
        const std::string event = long_event(x, line->bytes);
        const sent how = co_await write_body(event, faults);
        if (how != sent::whole) co_return how;
    }
    const auto* error = faults.find(fault_kind::error_event);
    const auto* stall = faults.find(fault_kind::stall);
    // Only what a model made comes at a model's pace.
    const bool paced = a.status == 200 && x.on != nullptr;
    for (const auto& p : a.pieces) {
        if (error != nullptr && events_ >= error->after_events.value_or(0)) {
            const std::string event = error_event_of(x, *error, events_);
            fault_answered_ = true;
            co_return co_await write_body(event, faults);
        }
        if (paced) {
            const auto& o = x.on->options;
            const sent how = co_await pause_until(began + o.first_token + o.per_token * p.after_tokens);
            if (how != sent::whole) co_return how;
        }
        if (stall != nullptr && events_ == *stall->after_events) {
            const sent how = co_await pause_until(clock::now() + stall->length);
            if (how != sent::whole) co_return how;
        }
        const sent how = co_await write_body(p.bytes, faults);
        if (how != sent::whole) co_return how;
        tokens_sent_ = p.after_tokens;
        usage_told_ = usage_told_ || p.tells_usage;
    }
    co_return sent::whole;
}

net::task<session::sent> session::play_undisturbed(const exchange& x, const answer& a, time_point began) {
    constexpr std::size_t enough = 16 * 1024;
    const bool paced = a.status == 200 && x.on != nullptr;
    const auto due = [&](const piece& p) -> time_point {
        if (!paced) return began;
        return began + x.on->options.first_token + x.on->options.per_token * p.after_tokens;
    };
    std::string together;
    for (auto p = a.pieces.begin(); p != a.pieces.end();) {
        sent how = co_await pause_until(due(*p));
        if (how != sent::whole) co_return how;
        const time_point now = clock::now();
        const auto first = p;
        together.clear();
        do {
            if (chunked_ && !p->bytes.empty()) http::append_chunk_header(together, p->bytes.size());
            together += p->bytes;
            if (chunked_ && !p->bytes.empty()) together += "\r\n";
            ++p;
        } while (p != a.pieces.end() && together.size() < enough && due(*p) <= now);
        how = co_await write(together);
        if (how != sent::whole) co_return how;
        events_ += static_cast<std::uint64_t>(p - first);
        tokens_sent_ = (p - 1)->after_tokens;
        usage_told_ = usage_told_ || std::any_of(first, p, [](const piece& q) { return q.tells_usage; });
    }
    co_return sent::whole;
}

net::task<session::sent> session::pause_until(time_point until) {
    if (io_.events().hung_up) co_return sent::left;
    if (until <= clock::now()) co_return sent::whole;
    const net::wake w = co_await net::sleep_until(all_.loop, until, &gone_);
    co_return w == net::wake::interrupted ? sent::left : sent::whole;
}

net::task<session::sent> session::write(std::string_view bytes) {
    const net::io_result r = co_await io_.write_all(bytes, clock::now() + write_patience, &gone_);
    co_return r.ok() ? sent::whole : sent::left;
}

net::task<session::sent> session::write_body(std::string_view bytes, const chosen_faults& faults) {
    const fault_rule* cut = faults.find(fault_kind::reset);
    if (cut == nullptr || !cut->amid_body()) cut = faults.find(fault_kind::close);
    if (cut != nullptr && cut->after_events && events_ >= *cut->after_events) {
        co_await break_off(cut->kind == fault_kind::reset, cut->notify);
        co_return sent::cut;
    }
    const bool now = cut != nullptr && cut->after_bytes && body_bytes_ + bytes.size() >= *cut->after_bytes;
    std::string framed;
    if (chunked_ && !bytes.empty()) http::append_chunk_header(framed, bytes.size());
    framed += now ? bytes.substr(0, *cut->after_bytes - body_bytes_) : bytes;
    if (chunked_ && !bytes.empty() && !now) framed += "\r\n";
    const sent how = co_await write(framed);
    if (how != sent::whole) co_return how;
    if (now) {
        co_await break_off(cut->kind == fault_kind::reset, cut->notify);
        co_return sent::cut;
    }
    body_bytes_ += bytes.size();
    ++events_;
    co_return sent::whole;
}

// A reset throws away what the kernel has not sent yet: wait until the client has what it shall have.
net::task<> session::break_off(bool reset, bool notify) {
    keep_ = false;
    if (!reset) {
        io_.close(notify);
        co_return;
    }
    for (int round = 0, unsent = 1; round < 100 && unsent != 0; ++round) {
        if (::ioctl(io_.fd(), SIOCOUTQ, &unsent) != 0) break;
        if (unsent == 0) break;
        const sent how = co_await pause_until(clock::now() + milliseconds(10));
        if (how != sent::whole) break;
    }
    io_.abort();
}

std::string session::head_of(const exchange& x, const answer& a) {
    header_list headers{{"Date", http_date(std::chrono::system_clock::now())}, {"Content-Type", a.content_type}};
    if (chunked_) headers.emplace_back("Transfer-Encoding", "chunked");
    else if (a.content) headers.emplace_back("Content-Length", std::to_string(a.content->size()));
    else if (!a.streamed)
        headers.emplace_back("Content-Length", std::to_string(a.pieces.empty() ? 0 : a.pieces.front().bytes.size()));
    headers.insert(headers.end(), a.headers.begin(), a.headers.end());
    if (!keep_) headers.emplace_back("Connection", "close");
    else if (x.asked.minor_version == 0) headers.emplace_back("Connection", "keep-alive");
    return head_text(a.status, headers);
}

void session::finish(const exchange& x, const answer& a, sent how) {
    if (!head_sent_) ++x.counters->unanswered;
    if (how == sent::left) ++x.counters->aborted_by_client;
    token_counts used;
    if (head_sent_ && a.status == 200) {
        used = a.usage;
        used.completion = std::min(tokens_sent_, a.usage.completion);
    }
    at_.settle(x, used, clock::now());
    journalise(x, a, how);
}

void session::journalise(const exchange& x, const answer& a, sent how) {
    usage_entry e;
    const std::string_view told = x.asked.header("x-ms-client-request-id");
    e.request_id = told.empty() ? x.request_id : std::string(told.substr(0, 256));
    e.instance = &at_.options().name;
    e.deployment = x.deployment_name.substr(0, 256);
    if (x.on != nullptr) e.model = &x.on->options.model;
    e.op = x.op;
    e.streaming = x.wants_stream();
    if (how == sent::left) e.outcome = usage_outcome::aborted;
    else if (how == sent::cut || fault_answered_) e.outcome = usage_outcome::fault;
    if (head_sent_) e.status = a.status;
    if (a.status == 200) {
        e.tokens = a.usage;
        e.sent = std::min(tokens_sent_, a.usage.completion);
        e.told = usage_told_;
    }
    all_.journal.add(std::move(e));
}

}  // namespace spillway::sim
