#pragma once

#include <cstdint>
#include <string_view>

#include <spillway/base/time.hpp>
#include <spillway/core/breaker.hpp>
#include <spillway/core/outcome.hpp>

// When the gateway itself asks a backend whether it works, and what the answer proves. Pure.
namespace spillway::core {

using probe_policy = config::probe;

// What a probe asks. None of them costs a token.
enum class probe_kind : std::uint8_t {
    none,
    connection,  // whether the instance takes a connection, TLS included
    chat,        // a chat without messages: the refusal proves instance, deployment and credential
};
// `automatic` asks for a chat where the endpoint's host is one of Azure's: an unknown server might take a
// chat without messages for a request.
probe_kind kind_of(config::probe_how how, std::string_view host) noexcept;

enum class probe_result : std::uint8_t {
    none,         // not asked, or the probe says nothing about the backend
    proven,       // what it asks for works
    throttled,    // alive, and pushes back
    failing,      // answers with a failure of its own
    missing,      // the instance does not know the deployment
    refused,      // the instance refuses the credential
    unreachable,  // no connection, or one that broke
    silent,       // no answer in time
};
std::string_view to_string(probe_result r) noexcept;
// Whether the answer showed that the backend works, or at least pushes back.
bool answers_well(probe_result r) noexcept;

struct probe_judgement {
    probe_result result{probe_result::none};
    bool backend_lives{false}, instance_lives{false};
    bool credential{false};  // the proof covers the credential, and of a backend the deployment
    backend_signal backend{backend_signal::none};
    instance_signal instance{instance_signal::none};
};
// `own_credential`: the instance has a credential of the gateway's; otherwise a refused one tells nothing but life.
probe_judgement judge_probe(probe_kind asked, const outcome& o, bool own_credential) noexcept;

// What is known of the probes of one backend.
struct probe_facts {
    time_point asked{};  // the last one began
    time_point ended{};  // the last one ended
    probe_result last{probe_result::none};
    bool running{false};
};
// One probe at a time, and one in `interval`. One that never ended, because its worker did, soon counts as ended.
bool may_ask(const probe_facts& f, time_point now, const probe_policy& p) noexcept;

// Decides from the breaker alone when a backend has to be asked because no request proves it. One for each backend.
class probe_watch {
public:
    // The breaker as it is now; true: a probe is due.
    bool is_due(const availability& a, time_point now, const probe_policy& p) noexcept;

private:
    time_point quiet_since_{};  // no request has told anything since; none while the breaker is closed
    time_point until_{};        // of the breaker, as last seen open
};

// What an attempt does that has waited for its first byte longer than usual.
struct suspicion {
    enum class step : std::uint8_t {
        wait,   // until `look_again`
        ask,    // a probe, then wait until `look_again`
        leave,  // a probe that ran while it waited was not answered: the backend is held to be dead
    } what{step::wait};
    time_point look_again{};
};
suspicion suspect(const probe_facts& f, time_point waits_since, time_point now, duration after,
                  const probe_policy& p) noexcept;
// Waits below this are normal: `first_byte_p99` is that of the pool in seconds, 0 when it is not known.
duration suspect_after(const probe_policy& p, double first_byte_p99) noexcept;

}  // namespace spillway::core
