#pragma once

#include "../account/kept_prompt.hpp"
#include "../reply/reply.hpp"

namespace spillway::proxy {

// The answer is the client's from here on: nothing is repeated any more.
class relay {
public:
    // `told`: how long the client is to wait, and whether to repeat, in the place of what a refusing backend said.
    relay(const setting& at, request& asked, const caller& by, const plan& way, const permit& by_quota,
          attempts& tried, answer_pipe& pipe, reply& own, delivery& sent, kept_prompt& prompt,
          const core::action& told) noexcept
        : at_(at),
          asked_(asked),
          by_(by),
          plan_(way),
          permit_(by_quota),
          attempts_(tried),
          pipe_(pipe),
          reply_(own),
          sent_(sent),
          prompt_(prompt),
          told_wait_(told.wait),
          told_retry_(told.should_retry) {}

    // Passes the answer on. Whether the connection may carry another request.
    net::task<bool> run();

private:
    enum class ending : std::uint8_t { complete, client_left, broken };

    void begin();
    void tag_ids();
    bool compose_head();
    bool replaces_wait(http::field_id id) const noexcept;
    void write_wait_fields(http::head_writer& w) const;
    net::task<ending> pump();
    std::string_view read_ahead(std::span<char> room, std::size_t got);
    std::string_view take(std::string_view bytes, net::buffer& framed);
    time_point look_after(time_point idle_until) const noexcept;
    net::task<ending> on_silence(net::buffer& buffer, time_point idle_until);
    bool ends_by(const net::io_result& r);
    void note_missing_end();
    void count_broken();
    net::task<bool> end_broken();
    bool lost_client() noexcept;

    const setting& at_;
    request& asked_;
    const caller& by_;
    const plan& plan_;
    const permit& permit_;
    attempts& attempts_;
    answer_pipe& pipe_;
    reply& reply_;
    delivery& sent_;
    kept_prompt& prompt_;
    duration told_wait_;
    std::optional<bool> told_retry_;
    http::stream_family family_{};
    bool in_step_{true};  // the backend has sent nothing but this answer
};

}  // namespace spillway::proxy
