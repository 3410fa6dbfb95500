#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <spillway/quota/holder.hpp>

#include "redis_holder.hpp"
#include "redis_link.hpp"

namespace spillway::quota {

// Counts that several gateways share through Redis. A thread of its own does all the talking.
class redis_store final : public store {
public:
    redis_store(opening with, redis_url url, net::ssl_ctx_ptr tls);
    ~redis_store() override;

    std::shared_ptr<holder> get(const std::string& name, const config::quota& limits) override;
    void seed(const std::string& holder_name, const std::string& period_key, std::int64_t tokens,
              std::int64_t money_nanos) override;
    bool reset(const std::string& holder_name) override;
    void renew(secret_text password) override;
    report look() const override;
    std::vector<holder::state> holders(time_point now, wall_time wall) const override;

private:
    using holder_list = std::vector<std::shared_ptr<redis_holder>>;

    void run();
    bool probe();
    void connect(time_point now);
    void exchange(std::vector<redis_call>& calls);
    void went_down();
    void settle_back_off(time_point now) noexcept;
    void refused(redis_call& c, time_point now);
    std::vector<redis_ask> wait_until(time_point tick);
    void farewell();
    holder_list everybody() const;

    const std::shared_ptr<redis_common> common_;
    const std::shared_ptr<seed_book> seeds_;
    const std::function<void(std::string)> alarm_;
    mutable std::mutex mutex_;  // of what follows
    std::map<std::string, std::shared_ptr<redis_holder>> by_name_;
    report report_;
    secret_text password_;

    // Of the thread alone.
    redis_link link_;
    time_point retry_at_{}, up_since_{};
    duration back_off_{};
    bool alarmed_{false};
    std::thread thread_;
};

}  // namespace spillway::quota
