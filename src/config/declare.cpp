#include "keys.hpp"

// The keys of the process itself: gateway, listeners, admin, health, shutdown, log.
namespace spillway::config {
namespace {

constexpr duration never = duration::zero();
constexpr std::array<std::string_view, 2> tls_versions{"1.2", "1.3"};
constexpr std::array<std::string_view, 2> client_auths{"optional", "required"};
constexpr std::array<std::string_view, 2> accept_modes{"reuse_port", "least_sessions"};
constexpr std::array<std::string_view, 1> no_proxy_words{"none"};
constexpr std::array<std::string_view, 5> log_levels{"trace", "debug", "info", "warn", "error"};
constexpr std::array<std::string_view, 2> log_formats{"text", "json"};

void declare(visitor& v, gateway& x) {
    v.value({"name", "how this process calls itself in logs"}, text_of(x.name));
    v.value({"region", "where it runs, in Azure's words, such as westeurope"}, word_of(x.region));
    v.values({"regions", "the order of the other regions, nearest first, for pools with prefer; others come last"},
             [&x] {
                 x.regions.emplace_back();
                 return word_of(x.regions.back());
             });
    v.value({"geography", "nothing below may be processed outside of it, such as eu"}, word_of(x.geography));
    auto workers = count_of(x.workers, 0, 256);
    workers.words = "auto, or a number from 1 to 256";
    workers.shown_default = "auto";
    workers.read = [&x, read = workers.read](const scalar_text& t) -> std::optional<problem> {
        if (t.value != "auto") return read(t);
        x.workers = 0;
        return std::nullopt;
    };
    v.value({"workers", "event loops, each on a thread of its own; auto: the cores that the cgroup grants"},
            std::move(workers));
    v.value({"body_memory", "memory for request bodies of all workers together; above it requests are shed"},
            size_of(x.body_memory, mebibyte, 1024 * gibibyte));
    v.value({"client_body_share", "of body_memory, that one client may hold; a single body may always be larger"},
            share_of(x.client_body_share));
    v.value({"expose_headers", "tell clients pool, backend, region and attempts in x-spillway-* headers"},
            flag_of(x.expose_headers));
    v.value({"core_dumps", "a crash may write memory, with keys and prompts in it, to disk"}, flag_of(x.core_dumps));
    v.value({"hide_existence", "a deployment that a client may not use answers 404 as if absent, not 403"},
            flag_of(x.hide_existence));
}

void declare(visitor& v, listener_tls& x) {
    v.value({"certificate", "PEM file with the chain, the server's own certificate first; watched", true},
            text_of(x.certificate));
    v.value({"key", "PEM file with the private key; watched", true}, text_of(x.key));
    v.value({"min_version", "oldest TLS version that is spoken"}, choice_of(x.min_version, tls_versions));
    v.value({"client_ca", "PEM bundle that signs clients' certificates; without it none is asked for; watched"},
            text_of(x.client_ca));
    v.value({"client_auth", "whether a client has to show a certificate"}, choice_of(x.client_auth, client_auths));
}

void declare(visitor& v, listener_limits& x) {
    v.value({"head", "request line and headers together"}, size_of(x.head, kibibyte, mebibyte));
    v.value({"headers", "header fields of a request"}, count_of(x.headers, 8, 128));
    v.value({"body", "request body"}, size_of(x.body, kibibyte, 4 * gibibyte));
    v.value({"upload", "body of an upload: a file, or a part of one; it passes without being held"},
            size_of(x.upload, kibibyte, 64 * gibibyte));
    v.value({"connections", "open connections of this listener, all workers together"},
            count_of(x.connections, 1, 1'000'000));
    v.value({"connections_per_address",
             "of these, from one IPv4 address or one /64 of IPv6, trusted_proxies excepted; 0: any number"},
            count_of(x.connections_per_address, 0, 1'000'000));
    v.value({"handshakes", "TLS handshakes under way on each worker; one more ends the oldest"},
            count_of(x.handshakes, 1, 1'000'000));
    v.value({"head_timeout", "from the first byte of a head to its last"},
            time_of(x.head_timeout, milliseconds(100), minutes(5)));
    v.value({"body_timeout", "gap between two reads of a request body"},
            time_of(x.body_timeout, milliseconds(100), minutes(30)));
    v.value({"idle_timeout", "between two requests of a connection"},
            time_of(x.idle_timeout, milliseconds(100), hours(24)));
    v.value({"write_timeout", "a client that reads nothing for this long is dropped"},
            time_of(x.write_timeout, milliseconds(100), hours(1)));
    v.value({"body_rate", "least bytes a second of a request body, once body_timeout is over; 0: none"},
            size_of(x.body_rate, 0, gibibyte));
}

void declare(visitor& v, admin& x) {
    v.value({"address", "host:port of the operators' listener"}, text_of(x.address));
    v.values({"keys", "secrets that open it, or sha256: of them; none: loopback addresses only"}, [&x] {
        x.keys.emplace_back();
        return secret_of(x.keys.back(), true);
    });
}

void declare(visitor& v, outbound& x) {
    const key k{"proxy",
                "the way out to instances and identity providers; without it the environment's, none: no proxy"};
    auto none = choice_of("", no_proxy_words, {});
    // Its own words: what stands there may be a URL with a password in it.
    none.read = [&x](const scalar_text& t) -> std::optional<problem> {
        if (t.value != "none") return problem{"a proxy is none or a map", "write proxy: {url: http://host:port}"};
        x.proxy.emplace().none = true;
        return std::nullopt;
    };
    v.either(k, std::move(none), [&x](visitor& in) {
        auto& p = x.proxy.emplace();
        in.value({"url", "http://host[:port]; tunnels are asked of it with CONNECT", true}, text_of(p.url));
        in.value({"user", "for Proxy-Authorization: Basic; none: the proxy wants no credential"}, text_of(p.user));
        in.value({"password", "${ENV} or file:/path"}, secret_of(p.password));
        in.values({"no_proxy",
                   "reached directly: hosts with all below them, .domains, addresses, networks, each with "
                   "or without :port"},
                  [&p] {
                      p.no_proxy.emplace_back();
                      return text_of(p.no_proxy.back());
                  });
    });
    v.object({"dns", "how names are looked up"}, [&x](visitor& in) {
        in.values(
            {"servers", "addresses of name servers, each with or without :port; none: those of /etc/resolv.conf"},
            [&x] {
                x.dns_servers.emplace_back();
                return text_of(x.dns_servers.back());
            });
    });
}

void declare(visitor& v, log& x) {
    v.value({"level", "of the daemon's own log"}, choice_of(x.level, log_levels));
    v.value({"format", "of the daemon's own log; the access log is always JSON"}, choice_of(x.format, log_formats));
    v.object({"access", "one line for each request"}, [&x](visitor& in) {
        in.value({"sample", "share of successful requests that are written; failures always are"},
                 share_of(x.access.sample));
        in.value({"file", "where lines go; empty: standard output"}, text_of(x.access.file));
    });
    v.object({"capture", "prompts and answers of the routes that say so"},
             [&x](visitor& in) { declare(in, x.capture); });
}

}  // namespace

void declare(visitor& v, listener& x) {
    v.value({"address", "host:port or [v6]:port to listen on", true}, text_of(x.address));
    v.object({"tls", "certificate; without it plain HTTP is spoken, for use behind a TLS-terminating ingress"},
             [&x](visitor& in) { declare(in, x.tls.emplace()); });
    v.values({"allow", "addresses or CIDR ranges that may connect; none: all"}, [&x] {
        x.allow.emplace_back();
        return text_of(x.allow.back());
    });
    v.values({"trusted_proxies", "addresses or CIDR ranges whose X-Forwarded-For is believed"}, [&x] {
        x.trusted_proxies.emplace_back();
        return text_of(x.trusted_proxies.back());
    });
    v.value({"accept", "how connections spread over workers: by the kernel's hash, or to the one with fewest"},
            choice_of(x.accept, accept_modes));
    v.object({"limits", "what a client may cost"}, [&x](visitor& in) { declare(in, x.limits); });
    v.value({"base_path", "prefix that is taken off before the path is understood, such as /ai"},
            text_of(x.base_path, "(/[A-Za-z0-9._~-]+)*"));
    v.value({"sse_keep_alive", "send a comment line into an event stream that is silent for this long"},
            time_of(x.sse_keep_alive, seconds(1), minutes(10)));
    v.object({"front_door", "lets only this Front Door in, probes excepted"}, [&x](visitor& in) {
        in.values({"ids", "X-Azure-FDID has to be one of them"}, [&x] {
            x.front_door.ids.emplace_back();
            return text_of(x.front_door.ids.back());
        });
    });
    v.object({"cors", "for pages in browsers: preflights need no key, answers name the page's origin"},
             [&x](visitor& in) {
                 auto& c = x.cors.emplace();
                 in.values({"origins", "scheme://host[:port], scheme://*.domain, or \"*\" alone", true}, [&c] {
                     c.origins.emplace_back();
                     return text_of(c.origins.back());
                 });
                 in.value({"credentials", "the browser may send cookies and certificates along; not with \"*\""},
                          flag_of(c.credentials));
                 in.value({"max_age", "for which a browser may keep the answer to a preflight"},
                          time_of(c.max_age, never, hours(24)));
             });
    v.object({"forwarded_certificate", "a client's certificate as a trusted proxy passes it on"}, [&x](visitor& in) {
        auto& f = x.forwarded_certificate;
        in.value({"header", "X-Forwarded-Client-Cert, X-ARR-ClientCert, or what the proxy sets"}, text_of(f.header));
        in.value({"client_ca", "PEM bundle that signs them; without it only fingerprints count; watched"},
                 text_of(f.client_ca));
    });
}

void declare(visitor& v, tree& t) {
    v.value({"version", "of this language; 1", true}, count_of(t.version, 1, 1));
    v.object({"gateway", "this process"}, [&t](visitor& in) { declare(in, t.gateway); });
    v.map({"listeners", "addresses that accept clients", true}, "listener",
          [&t](visitor& in, const std::string& name) { declare(in, t.listeners[name]); });
    v.object({"admin", "the operators' door: status, metrics, reload"}, [&t](visitor& in) { declare(in, t.admin); });
    v.object({"net", "connections that the gateway opens"}, [&t](visitor& in) { declare(in, t.net); });
    v.map({"token_providers", "whose tokens are believed: Entra tenants, other OpenID providers"}, "provider",
          [&t](visitor& in, const std::string& name) { declare(in, t.token_providers[name]); });
    v.object({"slow_down", "what repeated failures to prove an identity cost an address"},
             [&t](visitor& in) { declare(in, t.slow_down); });
    v.value({"keys_file", "YAML file with more keys, client to list of keys; watched"}, text_of(t.keys_file));
    v.map({"credentials", "how the gateway proves itself to instances"}, "credential",
          [&t](visitor& in, const std::string& name) { declare(in, t.credentials[name]); });
    v.map({"instances", "Azure OpenAI resources, and servers of OpenAI's own API", true}, "instance",
          [&t](visitor& in, const std::string& name) { declare(in, t.instances[name]); });
    v.map({"pools", "backends that serve the same model in the same version", true}, "pool",
          [&t](visitor& in, const std::string& name) { declare(in, t.pools[name]); });
    v.map({"clients", "callers with a name", true}, "client",
          [&t](visitor& in, const std::string& name) { declare(in, t.clients[name]); });
    v.map({"groups", "quotas that the clients of a group share"}, "group",
          [&t](visitor& in, const std::string& name) {
              in.object({"quota", "of all its clients together"},
                        [&t, &name](visitor& q) { declare(q, t.groups[name].quota); });
          });
    v.list({"routes", "who may use what; the first that matches wins", true},
           [&t](visitor& in) { declare(in, t.routes.emplace_back()); });
    v.object({"health", "what /health/ready says"}, [&t](visitor& in) {
        in.value({"throttled_is_ready", "ready although every backend is throttled: back-pressure is no illness"},
                 flag_of(t.health.throttled_is_ready));
        in.values({"require", "routes that have to serve: any (one is enough; the default), all, or names"}, [&t] {
            t.health.require.emplace_back();
            return text_of(t.health.require.back());
        });
    });
    v.object({"shutdown", "what SIGTERM does"}, [&t](visitor& in) {
        in.value({"pre_drain", "not ready, yet still accepting, so that load balancers notice"},
                 time_of(t.shutdown.pre_drain, never, minutes(10)));
        in.value({"drain", "then running requests may finish"}, time_of(t.shutdown.drain, never, hours(12)));
    });
    v.object({"log", "the daemon's own log and the access log"}, [&t](visitor& in) { declare(in, t.log); });
    v.object({"affinity", "objects that an instance keeps: responses, files, threads; without it they are refused"},
             [&t](visitor& in) { declare(in, t.affinity.emplace()); });
    v.object({"usage", "the ledger: one record for each request"},
             [&t](visitor& in) { declare(in, t.usage.emplace()); });
    v.object({"prices", "what tokens cost, for records and budgets"}, [&t](visitor& in) { declare(in, t.prices); });
    v.object({"quotas", "where the counts of quotas live"}, [&t](visitor& in) { declare(in, t.quotas); });
    v.object({"tracing", "spans of requests and attempts"}, [&t](visitor& in) { declare(in, t.tracing); });
}

}  // namespace spillway::config
