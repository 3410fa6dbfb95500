#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <spillway/base/time.hpp>
#include <spillway/config/issue.hpp>
#include <spillway/config/traffic.hpp>
#include <spillway/config/usage.hpp>

// The one typed tree of the configuration: plain structs, defaults beside the fields. Sizes are bytes, shares are
// 0 to 1, an empty string means "not set". The YAML keys have the names of the fields; docs/configuration.md lists
// them.
namespace spillway::config {

inline constexpr std::uint64_t kibibyte = 1024;
inline constexpr std::uint64_t mebibyte = 1024 * kibibyte;
inline constexpr std::uint64_t gibibyte = 1024 * mebibyte;

// This process among its kind.
struct gateway {
    std::string name{"spillway"};
    std::string region;                   // where it runs, in Azure's words; empty: no backend counts as near
    std::vector<std::string> regions;     // the order of the others, nearest first; those not named come last
    std::string geography;                // nothing below may be processed outside; empty: no boundary
    std::uint32_t workers{0};             // threads; 0 (`auto`): the cores that the cgroup grants
    std::uint64_t body_memory{gibibyte};  // for request bodies of all workers together; above it requests are shed
    double client_body_share{0.25};       // of body_memory, that one client may hold
    bool expose_headers{false};           // tell clients pool, backend, region and attempts in x-spillway-* headers
    bool core_dumps{false};               // memory holds keys and prompts, so a crash leaves none of it on disk
    bool hide_existence{true};            // a deployment that a client may not use answers 404 as if absent, not 403
};

enum class tls_version : std::uint8_t { tls1_2, tls1_3 };

// Whether clients show a certificate of their own.
enum class client_auth : std::uint8_t { optional, required };

struct listener_tls {
    std::string certificate;  // PEM chain, the server's own certificate first
    std::string key;          // PEM
    tls_version min_version{tls_version::tls1_2};
    std::string client_ca;  // PEM bundle that signs clients' certificates; empty: none is asked for
    config::client_auth client_auth{config::client_auth::optional};
};

// The lock on a listener that only Front Door may reach.
struct front_door {
    std::vector<std::string> ids;  // X-Azure-FDID has to be one of them, probes excepted
};

// A client's certificate as the proxy in front passes it on. Believed from trusted proxies alone.
struct forwarded_certificate {
    std::string header;     // X-Forwarded-Client-Cert, X-Client-Cert, X-ARR-ClientCert ...; empty: none
    std::string client_ca;  // PEM bundle that signs them; empty: only fingerprints can be matched
};

// What a listener allows a client.
struct listener_limits {
    std::uint64_t head{32 * kibibyte};  // request line and headers
    std::uint32_t headers{100};         // header fields
    std::uint64_t body{64 * mebibyte};  // request body
    // Body of an upload (files, parts of uploads), which passes without being held.
    std::uint64_t upload{512 * mebibyte};
    std::uint32_t connections{10000};  // of this listener, all workers together
    // Of these, from one address (IPv4, /64 of IPv6); 0: any number, since one address may be a whole office or a
    // load balancer. Those of trusted_proxies are not counted.
    std::uint32_t connections_per_address{0};
    // TLS handshakes that are under way, of each worker: one more ends the oldest. Each holds 20 to 40 KB.
    std::uint32_t handshakes{1000};
    duration head_timeout{seconds(10)};   // from the first byte of a head to its last
    duration body_timeout{seconds(60)};   // gap between two reads of a request body
    duration idle_timeout{seconds(120)};  // between two requests of a connection
    duration write_timeout{seconds(60)};  // a client that reads nothing for this long is dropped
    // Least bytes a second of a request body, once body_timeout is over; 0: none. As slow as the slowest link on
    // which an SDK would have got its request out in its own time.
    std::uint64_t body_rate{16 * kibibyte};
};

// Pages of which origins browsers let read the answers.
struct cors {
    std::vector<std::string> origins;  // scheme://host[:port], scheme://*.domain, or "*" alone
    bool credentials{false};           // the browser may send cookies and certificates along
    duration max_age{minutes(10)};     // for which it may keep the answer to a preflight
};

enum class accept_mode : std::uint8_t {
    reuse_port,      // the kernel spreads connections over the workers by hash
    least_sessions,  // each connection goes to the worker with the fewest: for few, long connections
};

// An address that accepts clients.
struct listener {
    std::string address;                       // host:port, [v6]:port
    std::optional<listener_tls> tls;           // unset: plain HTTP
    std::vector<std::string> allow;            // addresses or CIDR ranges that may connect; empty: all
    std::vector<std::string> trusted_proxies;  // addresses or CIDR ranges whose X-Forwarded-For is believed
    config::front_door front_door;
    config::forwarded_certificate forwarded_certificate;
    accept_mode accept{accept_mode::reuse_port};
    listener_limits limits;
    std::string base_path;  // prefix that is taken off before classification, such as /ai; empty: none
    std::optional<duration> sse_keep_alive;  // comment lines into a silent event stream this often; unset: never
    std::optional<config::cors> cors;        // unset: nothing for browsers, preflights get 405
};

// The operators' door.
struct admin {
    std::string address{"127.0.0.1:9901"};
    // One of these opens it: a secret, or `sha256:<hex>` of one. Empty: only allowed on a loopback address.
    std::vector<secret_ref> keys;
};

struct health {
    bool throttled_is_ready{
        true};  // ready although every backend of a pool is throttled: back-pressure is no illness
    std::vector<std::string> require;  // routes that have to serve: `any` one (empty, too), `all`, or these
};

struct shutdown {
    duration pre_drain{seconds(5)};  // not ready, yet still accepting: load balancers notice
    duration drain{seconds(20)};     // then running requests may finish; with pre_drain below the usual 30 s
};

// The way out, where the network has but one. Unset: HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment.
struct outbound_proxy {
    bool none{false};  // `proxy: none`, whatever the environment says
    std::string url;   // http://host[:port]
    std::string user;  // empty: the proxy wants none
    secret_ref password;
    std::vector<std::string> no_proxy;  // hosts, .domains, networks that are reached directly
};

// Connections that the gateway opens.
struct outbound {
    std::optional<outbound_proxy> proxy;
    std::vector<std::string> dns_servers;  // address[:port]; none: those of /etc/resolv.conf
};

enum class log_level : std::uint8_t { trace, debug, info, warn, error };
enum class log_format : std::uint8_t { text, json };

struct access_log {
    double sample{1.0};  // share of requests that are written
    std::string file;    // empty: standard output
};

struct log {
    log_level level{log_level::info};
    log_format format{log_format::text};
    access_log access;
    config::capture capture;
};

struct tree {
    std::uint32_t version{1};  // of the configuration's language
    config::gateway gateway;
    named<listener> listeners;
    config::admin admin;
    outbound net;
    named<token_provider> token_providers;
    config::slow_down slow_down;
    std::string keys_file;  // YAML: client to list of keys, beside those of `clients`; watched
    named<credential> credentials;
    named<instance> instances;
    named<pool> pools;
    named<client> clients;
    named<group> groups;  // only those that have a quota need an entry
    std::vector<route> routes;
    std::optional<config::affinity> affinity;  // unset: requests that concern kept objects are refused
    std::optional<config::usage> usage;        // unset: no ledger
    config::prices prices;
    config::quotas quotas;
    config::tracing tracing;
    config::health health;
    config::shutdown shutdown;
    config::log log;

    source_map source;
};

// The route's name, or its place ("routes[2]") when it has none.
std::string route_label(const tree& t, std::size_t index);

// Stable identities, by which a reload finds the state of what did not change. Connections, health and credentials
// belong to an instance: its endpoint and all that makes a connection to it different. A breaker belongs to a
// deployment on an endpoint, whatever pool it is used in: the same deployment in two pools shares one fate.
std::string instance_identity(const instance& i);
std::string backend_identity(const instance& i, const backend& b);
// Equal for credentials that stand for the same identity, whatever secret proves it. `t` is asked for a chain's
// links.
std::string credential_identity(const tree& t, const credential& c);

// What kind of proof it is and where it comes from, for people; never a secret.
std::string describe(const credential& c);

}  // namespace spillway::config
