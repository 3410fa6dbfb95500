#pragma once

#include <memory>

#include <spillway/http/writer.hpp>
#include <spillway/proxy/usage_estimator.hpp>
#include <spillway/quota/holder.hpp>

#include "../route/plan.hpp"

namespace spillway::proxy {

// What a request has of its client's quotas: taken before a backend is asked, and settled or given back once.
class permit {
public:
    permit(const setting& at, const request& asked, const caller& by, const plan& way) noexcept
        : at_(at), asked_(asked), by_(by), plan_(way) {}
    permit(const permit&) = delete;
    permit& operator=(const permit&) = delete;
    ~permit() { settle({}, clock::now()); }

    // Before the body is read: a request that is refused here takes no memory for it. Quotas of a pool have to
    // wait, because the body may name the deployment. Faults as take().
    net::task<maybe_fault> enter();
    // The route is known. False: nothing limits the request, and take() need not be called.
    bool is_needed() const noexcept { return holder_at(0) != nullptr || plan_.pool_of().shed; }
    // From one holder after the other, all or nothing. Faults: those of core::code_of(quota_limit), LowPriorityShed.
    net::task<maybe_fault> take();
    // It was granted here and refused there: as if it had never been.
    void give_back() noexcept;
    void settle(const quota::amounts& real, time_point ended) noexcept;
    // For another thread that settles what was reserved: what that needs. Then leave() lets the next request in.
    quota_hold hold() const;
    void leave() noexcept;

    // Whether one of the client's quotas has a rate, so that x-ratelimit fields tell of it and not of the backend.
    bool tells_rate() const noexcept;
    // What is left to the client, in the fields that SDK users know from Azure; seconds are whole there.
    void write_rate_fields(http::head_writer& w) const;

private:
    // In one step when the body is here, else in two: whether there may be one more request, then all that it takes.
    enum class step : std::uint8_t { whole, entrance, rest };

    const proxy::client& client() const noexcept { return at_.config().clients[*by_.client]; }
    const std::shared_ptr<quota::holder>* holder_at(std::size_t i) const noexcept;
    std::size_t taken() const noexcept { return std::max(held_, entered_); }
    quota::amounts held_of(std::size_t i) const noexcept { return i < held_ ? estimate_ : quota::amounts{}; }
    quota::amounts estimate() const noexcept;
    quota::verdict reserve(std::size_t index, step s) noexcept;
    net::task<quota::verdict> ask(std::size_t index, step s);
    fault refuse(const quota::verdict& v, std::size_t index);
    maybe_fault check_shed() const;
    duration until_pool_recovers() const;

    const setting& at_;
    const request& asked_;
    const caller& by_;
    const plan& plan_;
    quota::amounts estimate_;
    std::size_t entered_{0};  // holders that let the request in before its body was here
    std::size_t held_{0};     // holders that have granted all of the estimate
};

}  // namespace spillway::proxy
