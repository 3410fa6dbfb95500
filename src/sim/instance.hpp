#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "answer.hpp"
#include "exchange.hpp"
#include "object_store.hpp"
#include "resource.hpp"

namespace spillway::sim {

class identity_provider;

struct connection_counters {
    std::uint64_t opened{0}, open{0}, tls_handshakes{0}, tls_resumed{0}, tls_failed{0}, dropped_idle{0};
};

// One Azure OpenAI resource: its deployments, keys, quotas and memory. Knows nothing of sockets.
class instance {
public:
    // `tokens` judges bearer tokens; null: there is none.
    explicit instance(const instance_options& o, const identity_provider* tokens = nullptr);

    // Finds out what is asked, and of whom; counts the request.
    void begin(exchange& x);
    // The answer without any fault: authentication, lookup, quota, then work.
    answer reply(exchange& x, time_point now);
    // `used` is what was delivered; corrects the quota.
    void settle(const exchange& x, const token_counts& used, time_point now);
    // Headers that Azure puts on every answer.
    void add_headers(const exchange& x, answer& a, time_point now) const;

    void clear_counters();
    json to_json(time_point now) const;

    const instance_options& options() const noexcept { return resource_.options(); }
    connection_counters connections;
    std::string bound_address;

private:
    void find_operation(exchange& x) const;
    static void find_way(exchange& x, std::string_view path);
    // Nothing when the credentials are good.
    std::optional<answer> refuse_credentials(const request& r) const;
    answer models(std::string_view path) const;
    answer over_quota(const exchange& x, const quota_decision& d) const;
    // The rest of reply(), by what is asked.
    answer visit_way(exchange& x, time_point now);
    answer infer(exchange& x, time_point now);

    resource resource_;
    const identity_provider* tokens_;
    request_counters other_;  // requests that reach no deployment
    object_store objects_;
};

}  // namespace spillway::sim
