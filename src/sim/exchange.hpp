#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "answer.hpp"
#include "options.hpp"

namespace spillway::sim {

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

}  // namespace spillway::sim
