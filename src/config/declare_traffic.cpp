#include "keys.hpp"

// The keys of who may send what to where: instances, pools, clients, routes.
namespace spillway::config {
namespace {

constexpr std::array<std::string_view, 2> instance_kinds{"azure", "openai"};
constexpr std::array<std::string_view, 2> instance_proxies{"default", "none"};
constexpr std::array<std::string_view, 4> probes{"auto", "chat", "connection", "none"};
constexpr std::array<std::string_view, 2> object_scopes{"client", "group"};
constexpr std::array<std::string_view, 2> reasoning_rules{"pin", "open"};
constexpr std::array<std::string_view, 3> stickinesses{"none", "client", "user"};
constexpr std::array<std::string_view, 3> priority_classes{"low", "normal", "high"};
constexpr std::array<std::string_view, 4> captures{"none", "prompts", "answers", "both"};

void declare(visitor& v, backend& x) {
    v.value({"instance", "name under instances", true}, text_of(x.instance));
    v.value({"deployment", "the deployment's own name there", true}, word_of(x.deployment, 256, letters::any));
    v.value({"type", "how it is paid and where it processes"}, choice_of(x.type, deployment_type_names));
    v.value({"priority", "the lowest number that has a usable backend serves"}, count_of(x.priority, 1, 1000));
    v.value({"weight", "share inside its priority; 0: gets nothing"}, count_of(x.weight, 0, 100'000));
    v.value({"model", "when stated it must be the pool's"}, text_of(x.model));
    v.value({"version", "when stated it must be the pool's"}, text_of(x.version));
    v.object({"limits", "caps of this backend"}, [&x](visitor& in) {
        in.value({"max_outstanding", "requests in flight over all workers"},
                 count_of(x.limits.max_outstanding, 1, 1'000'000));
        in.value({"tokens_per_minute", "what the deployment was assigned, so that shed knows how much is left"},
                 count_of(x.limits.tokens_per_minute, 1, 1'000'000'000'000));
    });
}

void declare(visitor& v, retry_policy& x) {
    v.value({"attempts",
             "for a request, the first one counted, each on another backend; refusals that cost nothing "
             "(429, no connection) do not count"},
            count_of(x.attempts, 1, 10));
    v.value({"budget", "repeats of failed requests as a share of all: an outage never multiplies load"},
            share_of(x.budget));
    v.value({"on_deployment_not_found", "a deployment that is missing on one instance is tried on another"},
            flag_of(x.on_deployment_not_found));
}

void declare(visitor& v, pool_timeouts& x) {
    v.value({"connect", "TCP and TLS"}, time_of(x.connect, milliseconds(10), minutes(2)));
    v.value({"first_byte",
             "from the start of an attempt, connecting included, to the end of the answer's head; unset: 10m, or as "
             "long as the client says that it waits"},
            time_of(x.first_byte, milliseconds(10), hours(2)));
    v.value({"first_byte_stream", "the same for streams; unset: 2m, or first_byte when that is shorter"},
            time_of(x.first_byte_stream, milliseconds(10), hours(2)));
    v.value({"idle", "gap between two reads of the answer"}, time_of(x.idle, milliseconds(10), hours(1)));
    v.value({"request",
             "all attempts together until the answer begins; unset: as long as the client says that it waits, else "
             "10m"},
            time_of(x.request, milliseconds(10), hours(2)));
}

void declare(visitor& v, commit_policy& x) {
    v.value({"hold", "of a stream's first events while none of them means something"},
            time_of(x.hold, duration::zero(), seconds(30)));
}

void declare(visitor& v, breaker_policy& x) {
    v.value({"failures", "inside the window, at least, before it opens"}, count_of(x.failures, 1, 1000));
    v.value({"share", "of what ended inside the window has to have failed, or `failures` in a row"},
            share_of(x.share));
    v.value({"window", "in which failures count together"}, time_of(x.window, milliseconds(100), hours(1)));
    v.value({"open", "first open time; doubles with each failed trial"}, time_of(x.open, milliseconds(10), hours(1)));
    v.value({"max_open", "where the doubling ends"}, time_of(x.max_open, milliseconds(10), hours(24)));
    v.value({"max_told", "cap on a wait that the backend asked for"},
            time_of(x.max_told, milliseconds(100), hours(48)));
    v.value({"min_pause", "floor of any open time"}, time_of(x.min_pause, milliseconds(1), minutes(1)));
    v.value({"throttle_default", "wait after a 429 that names none"},
            time_of(x.throttle_default, milliseconds(10), hours(1)));
    v.value({"trials", "requests that a half-open breaker lets through at once"}, count_of(x.trials, 1, 100));
    v.value({"last_resort", "between two trials while no backend of the pool is usable"},
            time_of(x.last_resort, milliseconds(10), minutes(5)));
}

void declare(visitor& v, probe& x) {
    v.value({"how",
             "a chat without messages, whose refusal proves instance, deployment and credential; or a connection, "
             "TLS included; auto: chat for Azure's own host names, else connection"},
            choice_of(x.how, probes));
    v.value({"interval", "at most one probe of a backend in this time, from the whole gateway"},
            time_of(x.interval, milliseconds(100), hours(1)));
    v.value({"timeout", "a probe that is not answered in this time speaks against the instance"},
            time_of(x.timeout, milliseconds(50), minutes(1)));
    v.value({"suspect",
             "an attempt that has waited this long for its first byte (and three times the pool's 99th percentile) "
             "makes a probe ask the backend"},
            time_of(x.suspect, milliseconds(50), hours(1)));
}

void declare(visitor& v, traffic_split& x) {
    v.value({"sticky", "who stays with the pool that it once got"}, choice_of(x.sticky, stickinesses));
    v.others("pool", "share of the pool of that name, as a weight",
             [&x](const std::string& name) { return count_of(x.pools[name], 0, 100'000); });
}

}  // namespace

void declare(visitor& v, instance& x) {
    v.value({"kind", "azure, or openai for OpenAI's own API: OpenAI, vLLM, Ollama, other clouds"},
            choice_of(x.kind, instance_kinds));
    v.value({"endpoint", "https://host[:port][/prefix]; of kind openai with the base path, such as /v1", true},
            text_of(x.endpoint));
    v.value({"insecure", "allow an http:// endpoint: credential and content travel in clear"}, flag_of(x.insecure));
    v.value({"region", "Azure's name, such as westeurope"}, word_of(x.region));
    v.value({"geography", "residency boundary, such as eu or us"}, word_of(x.geography));
    v.value({"subscription", "standard quota is shared inside one"}, word_of(x.subscription));
    v.value({"credential", "name under credentials; none: requests go out without"}, text_of(x.credential));
    v.value({"scope", "of the gateway's token, when the credential is no API key"}, text_of(x.scope));
    v.value({"ca_file", "PEM bundle to trust instead of the system's; watched"}, text_of(x.ca_file));
    v.value({"tls_name", "name to verify and to send as SNI instead of the endpoint's host"},
            word_of(x.tls_name, 253));
    v.value({"address", "host:port to connect to instead of the endpoint's, such as a private endpoint"},
            word_of(x.address, 300));
    v.value({"dns_refresh", "the longest time between two look-ups of the name; its TTL makes it shorter"},
            time_of(x.dns_refresh, seconds(1), hours(1)));
    v.object({"connections", "to this instance, of each worker"}, [&x](visitor& in) {
        in.value({"max_idle", "kept open while nothing needs them"}, count_of(x.connections.max_idle, 0, 100'000));
        in.value({"idle_timeout", "an unused connection is closed after this"},
                 time_of(x.connections.idle_timeout, milliseconds(100), hours(1)));
        in.value({"max_age", "a connection is not reused past this age, so that DNS changes take hold"},
                 time_of(x.connections.max_age, seconds(1), hours(24)));
    });
    v.value({"api_version", "sent instead of the client's api-version on dated paths"}, text_of(x.api_version));
    v.value({"proxy", "none: reached directly, whatever net.proxy or the environment say"},
            choice_of(x.proxy, instance_proxies));
    v.value({"organization", "of kind openai: sent as OpenAI-Organization"}, text_of(x.organization));
    v.value({"project", "of kind openai: sent as OpenAI-Project"}, text_of(x.project));
}

void declare(visitor& v, pool& x) {
    v.value({"model", "that all backends serve", true}, word_of(x.model, 128));
    v.value({"version", "of the model, in quotes", true}, word_of(x.version));
    v.value({"geography", "nothing of this pool may be processed outside"}, word_of(x.geography));
    v.value({"balance", "how one of equally welcome backends is picked: see the architecture page"},
            text_of(x.balance));
    v.value(
        {"prefer",
         "region: inside one priority the gateway's own region first, then by gateway.regions; region_first: every "
         "priority of a region before the next region; region_only: the own region or nobody"},
        choice_of(x.prefer, preference_names));
    v.object({"retry", "when a backend refuses"}, [&x](visitor& in) { declare(in, x.retry); });
    v.object({"timeouts", "each its own"}, [&x](visitor& in) { declare(in, x.timeouts); });
    v.object({"commit", "when an answer is the client's, and is repeated nowhere any more"},
             [&x](visitor& in) { declare(in, x.commit); });
    v.object({"breaker", "when a backend is left alone"}, [&x](visitor& in) { declare(in, x.breaker); });
    v.object({"probe", "questions of the gateway itself, which cost no token, when requests cannot tell"},
             [&x](visitor& in) { declare(in, x.probe); });
    v.object({"shed", "who is refused first when the pool runs short"},
             [&x](visitor& in) { declare(in, x.shed.emplace()); });
    v.list({"backends", "deployments on instances", true},
           [&x](visitor& in) { declare(in, x.backends.emplace_back()); });
}

void declare(visitor& v, client& x) {
    declare_keys(v, {"keys", "that prove this client; several while rotating"}, x.keys);
    v.object({"entra", "Entra tokens that are this client; what is written has to match, of a list one entry"},
             [&x](visitor& in) { declare(in, x.entra.emplace()); });
    v.object({"openid", "tokens of another provider that are this client"},
             [&x](visitor& in) { declare(in, x.openid.emplace()); });
    v.object({"certificate", "certificates that are this client"},
             [&x](visitor& in) { declare(in, x.certificate.emplace()); });
    v.values({"groups", "that routes may name as group:NAME"}, [&x] {
        x.groups.emplace_back();
        return text_of(x.groups.back());
    });
    v.object({"labels", "carried into usage records"}, [&x](visitor& in) {
        in.others("label", "free text", [&x](const std::string& name) { return text_of(x.labels[name]); });
    });
    v.value({"geography", "its requests may not be processed outside"}, word_of(x.geography));
    v.value({"expose_headers", "overrides gateway.expose_headers"}, flag_of(x.expose_headers));
    v.object({"quota", "what it may use"}, [&x](visitor& in) { declare(in, x.quota); });
    v.map({"pool_quotas", "what it may use of single pools"}, "pool",
          [&x](visitor& in, const std::string& name) { declare(in, x.pool_quotas[name]); });
    v.value({"priority", "who is refused first when a pool with shed runs short"},
            choice_of(x.priority, priority_classes));
}

void declare(visitor& v, affinity& x) {
    v.list({"keys", "secrets of the tags that ids get; the first writes, all read; the same on every gateway", true},
           [&x](visitor& in) {
               auto& k = x.keys.emplace_back();
               in.value({"number", "told in each tag; a new key gets another one", true}, count_of(k.number, 0, 61));
               in.value({"secret", "${ENV} or file:/path, at least 16 characters", true}, secret_of(k.secret));
           });
    v.value({"scope", "who may use an object: the client that made it, or all clients of its first group"},
            choice_of(x.scope, object_scopes));
    v.value({"reasoning",
             "encrypted reasoning that this gateway did not mark: refuse it where several instances serve, or let "
             "any instance have it"},
            choice_of(x.reasoning, reasoning_rules));
}

void declare(visitor& v, route& x) {
    v.value({"name", "for logs, metrics and sticky choices"}, text_of(x.name));
    v.values({"clients", "names, group:NAME, or * for every client"}, [&x] {
        x.clients.emplace_back();
        return text_of(x.clients.back());
    });
    v.value({"deployment", "the name that the client uses; * stands for any run of characters"},
            text_of(x.deployment));
    v.values({"operations", "that it is for, by name or as stateless or objects; none: all"}, [&x] {
        x.operations.emplace_back();
        return text_of(x.operations.back());
    });
    v.object({"headers", "request headers that have to match, exactly or with *"}, [&x](visitor& in) {
        in.others("header", "value or pattern", [&x](const std::string& name) { return text_of(x.headers[name]); });
    });
    v.value({"pool", "name under pools"}, text_of(x.pool));
    v.object({"split", "shares of several pools"}, [&x](visitor& in) { declare(in, x.split.emplace()); });
    v.value({"passthrough", "send the client's own token, once checked, instead of the gateway's credential"},
            flag_of(x.passthrough));
    v.value({"on_your_data", "requests may name data sources, which the instance reads with its own identity"},
            flag_of(x.on_your_data));
    v.value({"capture", "write prompts, answers or both into log.capture.file"}, choice_of(x.capture, captures));
}

}  // namespace spillway::config
