#pragma once

#include <string_view>

#include <spillway/http/writer.hpp>

#include "../attempts/attempts.hpp"
#include "../permit/permit.hpp"
#include "delivery.hpp"

namespace spillway::proxy {

// The gateway's own answers, and what it adds to those of backends.
class reply {
public:
    reply(const setting& at, request& asked, const caller& by, const plan& way, const permit& by_quota,
          const attempts& tried, const answer_pipe& pipe, delivery& sent) noexcept
        : at_(at),
          asked_(asked),
          by_(by),
          plan_(way),
          permit_(by_quota),
          attempts_(tried),
          pipe_(pipe),
          sent_(sent) {}

    // Each answers and returns whether the connection may carry another request.
    net::task<bool> refuse(const fault& f);
    net::task<bool> probe();
    net::task<bool> list_models();
    net::task<bool> options();
    // Probes: /health/live, /health/ready, /health/routes/...
    bool is_for_probes() const noexcept;
    // A probe of a route that brings a key is answered to whom it belongs.
    bool wants_proof() const;

    // What every answer carries: the request's id, whether the connection stays, and who served when that may be
    // told. `closes`: the connection's end is the answer's.
    void write_own_fields(http::head_writer& w, bool has_request_id, bool closes);
    // As written into the last head.
    bool keeps_connection() const noexcept { return keeps_; }
    // The client does not answer any more, or is not there. Returns false.
    bool lost_client() noexcept;

private:
    net::task<bool> send(int status, std::string_view content_type, std::string_view body,
                         std::string_view extra_fields);
    net::task<bool> route_health();
    void write_cors_fields(http::head_writer& w) const;
    bool tells_who_served() const noexcept;

    const setting& at_;
    request& asked_;
    const caller& by_;
    const plan& plan_;
    const permit& permit_;
    const attempts& attempts_;
    const answer_pipe& pipe_;
    delivery& sent_;
    bool keeps_{false};
};

}  // namespace spillway::proxy
