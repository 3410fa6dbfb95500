#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "answer.hpp"
#include "object_store.hpp"
#include "options.hpp"

namespace spillway::sim {

class identity_provider;

// A request as it came, for a test to look at. Kept as text: most are never looked at.
struct recorded_request {
    std::string deployment, method, target, body;  // the beginning of the body
    header_list headers;
    std::size_t body_bytes{0};
    json to_json() const;
};

struct request_counters {
    std::uint64_t requests{0}, aborted_by_client{0}, unanswered{0}, open_streams{0};
    std::map<int, std::uint64_t> by_status;
    token_counts tokens;
    std::shared_ptr<const recorded_request> last_request;

    json to_json() const;
    // What is open stays open.
    void clear();
};

struct connection_counters {
    std::uint64_t opened{0}, open{0}, tls_handshakes{0}, tls_resumed{0}, tls_failed{0}, dropped_idle{0};
};

// What an operation on a deployment is called in a path: `chat/completions`. Others are unknown.
operation operation_at(std::string_view path) noexcept;

struct way_in;

struct deployment {
    explicit deployment(const deployment_options& o) : options(o), standard(o.quota), provisioned(o.quota) {}

    deployment_options options;
    standard_quota standard;
    provisioned_quota provisioned;
    request_counters counters;
};

// One request as the instance understands it.
struct exchange {
    request asked;
    json body;
    operation op{operation::unknown};
    bool v1{false};
    std::string api_version, deployment_name;
    std::string rest;              // path below /openai/, /openai/v1/ or the deployment
    const way_in* way{nullptr};    // to what lives on the instance; null: none, or none with this method
    std::vector<std::string> ids;  // in it
    bool path_known{false};        // though the method may be wrong
    deployment* on{nullptr};       // null: unknown, or none takes part
    request_counters* counters{nullptr};
    std::uint64_t estimated{0};
    std::string id;          // of the answer
    std::string request_id;  // unique in any case
    std::int64_t wall_seconds{0};
    std::string other_model, other_region;  // told instead of the true ones, by a fault; empty: the true ones

    bool wants_stream() const {
        return true_in(body, "stream") || op == operation::speech || asked.parameter("stream") == "true";
    }
    call as_call() const;
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

    // Null: there is none of that name.
    deployment* find_deployment(std::string_view name) const;
    // Whether so many tokens may be used now; counts them.
    static quota_decision admit(deployment& d, std::uint64_t tokens, time_point now);
    // What an answer follows from; the exchange has to know its deployment.
    call call_for(const exchange& x) const;

    void clear_counters();
    json to_json(time_point now) const;

    const instance_options& options() const noexcept { return options_; }
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

    instance_options options_;
    const identity_provider* tokens_;
    std::map<std::string, std::unique_ptr<deployment>> deployments_;
    request_counters other_;  // requests that reach no deployment
    object_store objects_;
};

}  // namespace spillway::sim
