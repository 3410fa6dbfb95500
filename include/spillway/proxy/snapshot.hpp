#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spillway/base/secret_text.hpp>
#include <spillway/config/tree.hpp>
#include <spillway/core/balancer.hpp>
#include <spillway/core/certificate.hpp>
#include <spillway/core/cors.hpp>
#include <spillway/core/exchange.hpp>
#include <spillway/core/identity.hpp>
#include <spillway/core/outcome.hpp>
#include <spillway/core/router.hpp>
#include <spillway/core/selector.hpp>
#include <spillway/core/token.hpp>
#include <spillway/credentials/token.hpp>
#include <spillway/identity/client_certificate.hpp>
#include <spillway/identity/object_tag.hpp>
#include <spillway/identity/token_provider.hpp>
#include <spillway/ledger/ledger.hpp>
#include <spillway/net/tls_context.hpp>
#include <spillway/net/upstream.hpp>
#include <spillway/proxy/address_counts.hpp>
#include <spillway/proxy/backend_state.hpp>
#include <spillway/quota/holder.hpp>
#include <spillway/stats/cells.hpp>
#include <spillway/trace/span.hpp>

// The configuration as the request path sees it: compiled once, immutable, shared by all workers. An exchange keeps
// the one that it began with. Everything is found by index; names are for people.
namespace spillway::proxy {

struct listener {
    std::string name;
    std::shared_ptr<const config::listener> from;  // keeps its configuration alive: connections outlive reloads
    net::address at;
    net::ssl_ctx_ptr tls;             // null: plain HTTP behind a TLS-terminating ingress
    std::string tls_terms;            // whom a handshake lets in; connections end when it changes
    std::vector<net::network> allow;  // may connect; empty: all
    std::vector<net::network> trusted_proxies;
    bool asks_certificates{false};                   // of clients, in the TLS handshake
    identity::trust_store certificate_trust;         // of those; null: only fingerprints count
    std::optional<core::cors_rules> cors;            // unset: nothing for browsers
    std::shared_ptr<std::atomic<std::size_t>> open;  // connections now, over all workers and reloads
    std::shared_ptr<address_counts> by_address;      // the same by address; null: not limited
};

struct instance {
    std::string name, region, geography;
    config::instance_kind kind{config::instance_kind::azure};
    net::endpoint to;
    net::upstream_limits connections;
    std::string path_prefix;  // of the endpoint URL, without a slash at its end
    std::string host_field;   // value of the Host field
    std::string auth_name;
    secret_text auth_value;                          // an API key; empty with a token
    std::shared_ptr<credentials::token_cell> token;  // null: an API key, or nothing
    std::string pinned_api_version;
    std::vector<std::pair<std::string, std::string>> extra_fields;  // sent along with every request
    duration dns_refresh{seconds(30)};
    std::string identity;  // stable over reloads as long as the instance is the same
    std::shared_ptr<breaker_state> state;
};

struct backend {
    std::string name;  // instance/deployment
    std::size_t instance{0};
    std::string deployment, model_json;  // the name, and as a JSON string with its quotes
    std::string model_member;            // `"model":` with it and a comma, for bodies that have none
    std::string type;
    std::uint32_t max_outstanding{0};          // over all workers; 0: no cap
    std::optional<std::int64_t> tokens_limit;  // that the deployment was assigned, for a minute
    std::optional<config::price> price;
    core::probe_kind probe{core::probe_kind::none};
    std::string identity;  // stable over reloads as long as the deployment is the same
    stats::label label{0};
    std::shared_ptr<shared_backend> state;
};

struct pool {
    std::string name, model, version;
    stats::label label{0}, model_label{0};
    std::optional<config::price> price;  // of the model, for estimates; each backend has its own for what it served
    std::optional<config::shed> shed;
    core::pool_plan plan;
    std::vector<backend> backends;  // index as in plan
    core::retry_policy retry;
    core::breaker_policy breaker;
    core::probe_policy probe;
    core::exchange_deadlines deadlines;
    duration connect_timeout{seconds(5)}, idle_timeout{minutes(5)}, commit_hold{milliseconds(100)};
    std::shared_ptr<shared_pool> state;
};

struct client {
    std::string name;
    stats::label label{0};
    std::shared_ptr<std::atomic<std::size_t>> body_bytes;  // that its requests hold, over all workers and reloads
    bool served_by_headers{false};
    std::string owner;        // of the objects that it makes; tags prove it
    std::string labels_json;  // carried into usage records; empty: none
    config::priority_class priority{config::priority_class::normal};
    std::vector<std::shared_ptr<quota::holder>> holders;       // its own quota, then those of its groups
    std::vector<std::string_view> holder_kinds;                // client or group, as in holders
    std::vector<std::shared_ptr<quota::holder>> pool_holders;  // by pool; null: none. Empty when there is none at all
    bool has_rate{false};             // one of `holders` limits requests or tokens for a minute
    std::vector<bool> pool_rates;     // likewise of pool_holders, by pool
    std::vector<std::string> models;  // names that it may use, as far as its routes spell them out
};

struct snapshot {
    // What was compiled. A value that is used as it is configured stands here alone.
    std::shared_ptr<const config::tree> tree;
    std::string hash;
    std::uint64_t generation{0};
    wall_time loaded_at{};
    std::vector<std::shared_ptr<const listener>> listeners;
    std::vector<instance> instances;
    std::vector<pool> pools;
    std::vector<client> clients;
    core::key_table keys;
    std::vector<std::string> key_labels;  // by the key's number
    identity::provider_list providers;
    core::token_rules token_rules;
    core::certificate_rules certificates;
    core::router router;
    std::shared_ptr<const identity::tag_ring> tags;  // null: no objects are served
    std::vector<std::string> route_names;
    bool has_openai{false};     // some instance wants the model's name in bodies that need none for Azure
    bool counts_tokens{false};  // answers are looked at for their usage: there is a ledger, a quota, or traces
    config::tracing tracing;
    std::shared_ptr<trace::exporter> tracer;   // null: no spans
    std::shared_ptr<ledger::service> ledger;   // null: no records
    std::vector<std::size_t> required_routes;  // that have to serve for the gateway to be ready; none: any one
    // By route, what /health/routes/ says. Kept up to date by the main thread.
    std::shared_ptr<std::atomic<bool>[]> route_ready;

    std::shared_ptr<const listener> find_listener(std::string_view listener_name) const {
        for (const auto& l : listeners)
            if (l->name == listener_name) return l;
        return nullptr;
    }
    const config::route& route(std::size_t i) const noexcept { return tree->routes[i]; }
    bool access_log_sampled(double chance) const noexcept { return chance < tree->log.access.sample; }
    // Of gateway.body_memory, for one client.
    std::size_t client_body_memory() const noexcept {
        return static_cast<std::size_t>(tree->gateway.client_body_share *
                                        static_cast<double>(tree->gateway.body_memory));
    }
    // Of streams whose client did not ask.
    bool asks_usage() const noexcept { return tree->usage && tree->usage->streams == config::stream_usage::ask; }
    bool keeps_end_users() const noexcept { return tree->usage && tree->usage->end_users; }
};

// What one worker adds: connections and the state of its balancers, which no other touches.
struct worker_snapshot {
    std::shared_ptr<const snapshot> shared;
    std::vector<std::shared_ptr<net::upstream>> upstreams;            // by instance
    std::vector<core::balancer_state> balancers;                      // by pool
    std::vector<std::shared_ptr<const credentials::bearer>> bearers;  // by instance, as far as they have tokens

    // The instance's present token, read from its cell only after it has changed; null when there is none.
    const credentials::bearer* bearer_of(std::size_t instance) {
        const auto& cell = *shared->instances[instance].token;
        auto& mine = bearers[instance];
        if ((mine ? mine->version : 0) != cell.version()) mine = cell.get();
        return mine.get();
    }
};

}  // namespace spillway::proxy
