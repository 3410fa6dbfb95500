#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <spillway/base/time.hpp>
#include <spillway/config/basics.hpp>
#include <spillway/config/credential.hpp>
#include <spillway/config/identity.hpp>
#include <spillway/config/usage.hpp>

// The part of the tree that says who may send what to where: credentials, instances, pools, clients, routes.
namespace spillway::config {

// Connections to one instance, of each worker on its own.
struct upstream_connections {
    std::uint32_t max_idle{256};         // kept open while nothing needs them
    duration idle_timeout{seconds(50)};  // an unused connection is closed before the other side closes it
    duration max_age{minutes(10)};       // a connection is not reused past this age, so that DNS changes take hold
};

// Which form of the API an instance speaks.
enum class instance_kind : std::uint8_t {
    azure,   // Azure's: deployments in the path, `api-key`
    openai,  // OpenAI's own, as vLLM, Ollama and other clouds have it: `model` in the body, `Authorization: Bearer`
};

// What `net.proxy` and the environment's proxy mean for one instance.
enum class instance_proxy : std::uint8_t { by_default, none };

// One Azure OpenAI resource, or any server that speaks its API or OpenAI's.
struct instance {
    instance_kind kind{instance_kind::azure};
    std::string endpoint;                    // https://host[:port][/prefix]; http:// only with `insecure`
    bool insecure{false};                    // allow an endpoint without TLS: credential and content travel in clear
    std::string region;                      // Azure's name, such as westeurope; empty: unknown
    std::string geography;                   // residency boundary, such as eu or us; empty: unknown
    std::string subscription;                // standard quota is shared inside one; empty: unknown
    std::string credential;                  // name under `credentials`; empty: requests go out without any
    std::string scope{default_token_scope};  // of tokens, when the credential is no API key
    std::string ca_file;                     // PEM bundle to trust instead of the system's; empty: the system's
    std::string tls_name;                    // name to verify and to send as SNI; empty: the host of the endpoint
    std::string address;  // host:port to connect to instead of the endpoint's; empty: the endpoint's
    duration dns_refresh{seconds(30)};
    upstream_connections connections;
    std::optional<std::string> api_version;  // sent instead of the client's api-version on dated paths
    instance_proxy proxy{instance_proxy::by_default};
    std::string organization, project;  // of kind openai: whose account pays; empty: the key's own
};

// Deployment types by where they process data: in the region, in the data zone of the geography, or anywhere.
enum class deployment_type : std::uint8_t {
    standard,
    provisioned,
    data_zone_standard,
    data_zone_provisioned,
    data_zone_batch,
    global_standard,
    global_provisioned,
    global_batch,
    developer,  // no residency promise
};

enum class locality : std::uint8_t { region, zone, anywhere };
locality processes_in(deployment_type t) noexcept;
std::string_view to_string(deployment_type t) noexcept;

struct backend_limits {
    std::optional<std::uint32_t> max_outstanding;    // requests in flight over all workers; unset: no cap
    std::optional<std::uint64_t> tokens_per_minute;  // what the deployment was assigned; for `shed`; unset: unknown
};

// One deployment on one instance.
struct backend {
    std::string instance;    // name under `instances`
    std::string deployment;  // the deployment's own name there
    deployment_type type{deployment_type::standard};
    std::uint32_t priority{1};           // the lowest number that has a usable backend serves
    std::uint32_t weight{1};             // share inside its priority
    std::optional<std::string> model;    // when stated it must be the pool's
    std::optional<std::string> version;  // when stated it must be the pool's
    backend_limits limits;
};

struct retry_policy {
    std::uint32_t attempts{3};  // per request, the first one counted, each on a distinct backend; free ones are not
    double budget{0.10};        // retries as a share of the pool's requests: an outage never multiplies load
    bool on_deployment_not_found{true};  // a deployment missing on one instance is tried on another
};

struct pool_timeouts {
    duration connect{seconds(5)};  // TCP and TLS
    // From the start of an attempt, connecting included, to the end of the head. Unset: 10 min, or as long as the
    // client says that it waits.
    std::optional<duration> first_byte;
    std::optional<duration>
        first_byte_stream;      // the same of a stream; unset: 2 min, or first_byte if that is shorter
    duration idle{minutes(5)};  // gap between two reads of the answer
    // All attempts together until the answer begins; never ends a healthy stream. Unset: as long as the client says
    // that it waits, else 10 min.
    std::optional<duration> request;
};

// When an answer becomes the client's, and is repeated nowhere any more.
struct commit_policy {
    duration hold{milliseconds(100)};  // of a stream's first events while none of them means something
};

struct breaker_policy {
    std::uint32_t failures{5};  // fewer inside `window` open nothing
    double share{0.5};  // of the exchanges that ended inside `window`, or `failures` without a success between
    duration window{seconds(30)};
    duration open{seconds(10)};              // first open time; doubles with each failed trial
    duration max_open{minutes(5)};           // where the doubling ends
    duration max_told{minutes(10)};          // cap on a wait that the backend itself asked for
    duration min_pause{milliseconds(50)};    // floor of any open time, also of `Retry-After: 0`
    duration throttle_default{seconds(10)};  // wait after a 429 that names none
    std::uint32_t trials{1};                 // requests that a half-open breaker lets through at once
    duration last_resort{seconds(1)};        // between trials while no backend of the pool is usable
};

// What a probe asks a backend. `automatic`: a chat without messages where the endpoint has a name of Azure's, else a
// connection.
enum class probe_how : std::uint8_t { automatic, chat, connection, none };

// Questions of the gateway itself, which cost no token, while requests cannot tell whether a backend works.
struct probe {
    probe_how how{probe_how::automatic};
    duration interval{seconds(5)};  // at most one probe of a backend in this time, whatever asks for it
    duration timeout{seconds(5)};   // no answer in this time: the backend is held to be dead
    duration suspect{seconds(10)};  // an attempt that has waited this long for its first byte makes a probe ask
};

// What the distance between gateway and backend decides: nothing, the order inside one priority, the order before
// priority, or who is asked at all.
enum class preference : std::uint8_t { none, region, region_first, region_only };
std::string_view to_string(preference p) noexcept;  // as in the file

// Backends that serve the same model in the same version inside one geography.
struct pool {
    std::string model;
    std::string version;
    std::string geography;                   // nothing of this pool may be processed outside; empty: the gateway's
    std::string balance{"weighted_random"};  // a name of the balancer table
    preference prefer{preference::none};     // by gateway.region and gateway.regions
    retry_policy retry;
    pool_timeouts timeouts;
    commit_policy commit;
    breaker_policy breaker;
    config::probe probe;
    std::optional<config::shed> shed;  // unset: no class is refused before the others
    std::vector<backend> backends;
};

// A caller with a name.
struct client {
    std::vector<client_key> keys;  // several while rotating
    std::optional<entra_match> entra;
    std::optional<openid_match> openid;
    std::optional<certificate_match> certificate;
    std::vector<std::string> groups;
    named<std::string> labels;           // carried into usage records
    std::string geography;               // its requests may not be processed outside; empty: no boundary of its own
    std::optional<bool> expose_headers;  // overrides gateway.expose_headers
    config::quota quota;
    named<config::quota> pool_quotas;  // by pool, beside `quota`
    priority_class priority{priority_class::normal};
};

enum class stickiness : std::uint8_t { none, client, user };

// Shares of requests over pools, by weight.
struct traffic_split {
    named<std::uint32_t> pools;
    stickiness sticky{stickiness::none};  // what stays with the pool it once got
};

// Whose an object is that an instance keeps: of the client that made it, or of all in that client's first group.
enum class object_scope : std::uint8_t { client, group };
// Encrypted reasoning that the gateway did not mark: refused where several instances serve, or passed to any.
enum class reasoning_rule : std::uint8_t { pin, open };

struct affinity_key {
    std::uint32_t number{0};  // told in each tag
    secret_ref secret;
};

// Objects that an instance keeps, found again by a tag in their ids.
struct affinity {
    std::vector<affinity_key> keys;  // the first one writes tags, all read them
    object_scope scope{object_scope::client};
    reasoning_rule reasoning{reasoning_rule::pin};
};

// A rule: what matches goes to the pool or the split. The first rule that matches wins.
struct route {
    std::string name;                     // empty: known by its place, routes[0]
    std::vector<std::string> clients;     // names, `group:NAME`, or `*` for every known client
    std::string deployment{"*"};          // the name that the client uses; `*` stands for any run of characters
    std::vector<std::string> operations;  // names and groups of the operation table; empty: all
    named<std::string> headers;           // request header to value, exact or with `*`; all must match
    std::string pool;                     // empty when `split` is set
    std::optional<traffic_split> split;
    // Requests may name data sources, which the instance reads with its own identity (Azure OpenAI On Your Data).
    bool on_your_data{false};
    bool passthrough{false};  // the client's own Entra token goes to the instance, once it has been checked
    capture_what capture{capture_what::none};  // into log.capture.file
};

}  // namespace spillway::config
