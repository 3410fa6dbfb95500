#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <spillway/quota/holder.hpp>

#include "memory_holder.hpp"

namespace spillway::quota {

// Counts of this process alone. A holder that no configuration names any more is kept, so that a client that comes
// back with the next reload has not got its budget anew; there are as many as names were ever configured.
class memory_store final : public store {
public:
    explicit memory_store(duration burst) : burst_(burst), seeds_(std::make_shared<seed_book>()) {}

    std::shared_ptr<holder> get(const std::string& name, const config::quota& limits) override;
    void seed(const std::string& holder_name, const std::string& period_key, std::int64_t tokens,
              std::int64_t money_nanos) override;
    bool reset(const std::string& holder_name) override;
    report look() const override;
    std::vector<holder::state> holders(time_point now, wall_time wall) const override;

private:
    const duration burst_;
    const std::shared_ptr<seed_book> seeds_;
    mutable std::mutex mutex_;
    std::map<std::string, std::shared_ptr<memory_holder>> by_name_;
};

}  // namespace spillway::quota
