#include <spillway/server/compile.hpp>

#include <openssl/sha.h>

#include <algorithm>
#include <map>
#include <set>

#include <spillway/base/text.hpp>
#include <spillway/core/operation.hpp>
#include <spillway/http/endpoint_url.hpp>
#include <spillway/http/json_scan.hpp>

namespace spillway::server {
namespace {

template <class Map>
std::size_t place_of(const Map& all, const std::string& name) {
    return static_cast<std::size_t>(std::distance(all.begin(), all.find(name)));
}

// One compilation. Validation has been passed, so names that are looked up exist.
class compilation {
public:
    compilation(const config::checked& from, const proxy::snapshot* before, stats::label_table& labels,
                tls_store& tls, identity_service& identities, compiled& out)
        : tree_(from.tree), before_(before), labels_(labels), tls_(tls), identities_(identities), out_(out) {
        next_->hash = from.hash;
    }

    std::shared_ptr<proxy::snapshot> run() {
        general();
        for (const auto& [name, l] : tree_.listeners) add_listener(name, l);
        for (const auto& [name, p] : tree_.token_providers) add_provider(name, p);
        for (const auto& [name, i] : tree_.instances) add_instance(name, i);
        for (const auto& [name, p] : tree_.pools) add_pool(name, p);
        for (const auto& [name, c] : tree_.clients) add_client(name, c);
        add_routes();
        add_models();
        return next_;
    }

private:
    void error(const std::string& key_path, const fault& f) {
        out_.issues.push_back(tree_.source.make(config::severity::error, key_path, f.message, ""));
    }
    void read_file(const std::string& path) {
        if (!path.empty()) out_.files.push_back(path);
    }

    void general() {
        next_->loaded_at = wall_clock::now();
        next_->access_log_sample = tree_.log.access.sample;
        next_->hide_existence = tree_.gateway.hide_existence;
        next_->body_memory = tree_.gateway.body_memory;
        next_->throttled_is_ready = tree_.health.throttled_is_ready;
        next_->slow_down = tree_.slow_down;
        read_file(tree_.keys_file);
    }

    void add_listener(const std::string& name, const config::listener& from) {
        const std::string path = "listeners." + name;
        auto l = std::make_shared<proxy::listener>();
        l->name = name;
        if (const auto at = net::address::parse(from.address)) l->at = *at;
        else error(path + ".address", at.error());
        if (from.tls) {
            read_file(from.tls->certificate);
            read_file(from.tls->key);
            read_file(from.tls->client_ca);
            l->asks_certificates = !from.tls->client_ca.empty();
            net::server_tls with{from.tls->certificate, from.tls->key};
            with.tls13_only = from.tls->min_version == config::tls_version::tls1_3;
            with.client_ca = from.tls->client_ca;
            with.client_certificate_required = from.tls->client_auth == config::client_auth::required;
            const auto made = tls_.for_listener(with);
            if (made) l->tls = *made;
            else error(path + ".tls", made.error());
        }
        add_networks(path + ".trusted_proxies", from.trusted_proxies, l->trusted_proxies);
        add_networks(path + ".allow", from.allow, l->allow);
        l->front_doors = from.front_door.ids;
        l->certificate_header = from.forwarded_certificate.header;
        if (const auto& ca = from.forwarded_certificate.client_ca; !ca.empty()) {
            read_file(ca);
            if (auto trust = identity::load_trust(ca)) l->certificate_trust = std::move(*trust);
            else error(path + ".forwarded_certificate.client_ca", trust.error());
        }
        const auto& m = from.limits;
        l->limits = {m.head,         m.headers,      m.body,         m.connections,
                     m.head_timeout, m.body_timeout, m.idle_timeout, m.write_timeout};
        l->base_path = from.base_path;
        l->sse_keep_alive = from.sse_keep_alive.value_or(duration::zero());
        l->least_sessions = from.accept == config::accept_mode::least_sessions;
        l->open = std::make_shared<std::atomic<std::size_t>>(0);
        if (before_ != nullptr)
            for (const auto& old : before_->listeners)
                if (old->name == name) l->open = old->open;
        next_->listeners.push_back(std::move(l));
    }

    void add_networks(const std::string& path, const std::vector<std::string>& from, std::vector<net::network>& to) {
        for (std::size_t i = 0; i < from.size(); ++i) {
            if (const auto n = net::network::parse(from[i])) to.push_back(*n);
            else error(path + "[" + std::to_string(i) + "]", n.error());
        }
    }

    void add_provider(const std::string& name, const config::token_provider& from) {
        read_file(from.ca_file);
        const auto tls = tls_.for_instances(from.ca_file);
        if (!tls) return error("token_providers." + name + ".ca_file", tls.error());
        next_->providers.push_back({identities_.provider(name, from, *tls), from.tenant, from.audiences,
                                    from.passthrough_audiences, from.skew});
    }

    void add_instance(const std::string& name, const config::instance& from) {
        const std::string path = "instances." + name;
        proxy::instance i;
        i.name = name;
        i.region = from.region;
        i.geography = from.geography;
        i.identity = config::instance_identity(from);
        i.dns_refresh = from.dns_refresh;
        i.pinned_api_version = from.api_version.value_or("");
        const auto url = http::parse_endpoint_url(from.endpoint);
        if (!url) {
            error(path + ".endpoint", {.message = "is no URL of the form https://host[:port][/prefix]"});
            return;
        }
        i.path_prefix = url->prefix;
        i.host_field = url->host_field;
        i.to.host = url->host;
        i.to.port = url->port;
        if (!from.address.empty()) {
            const auto at = http::parse_host_port(from.address, url->port);
            if (!at) return error(path + ".address", {.message = "is not of the form host:port"});
            i.to.host = at->first;
            i.to.port = at->second;
            i.to.tls_name = url->host;
        }
        if (!from.tls_name.empty()) i.to.tls_name = from.tls_name;
        if (url->tls) {
            read_file(from.ca_file);
            if (const auto made = tls_.for_instances(from.ca_file)) i.to.tls = *made;
            else error(path + ".ca_file", made.error());
        }
        i.connections.idle_timeout = from.connections.idle_timeout;
        i.connections.max_age = from.connections.max_age;
        i.connections.max_idle = from.connections.max_idle;
        if (!from.credential.empty()) add_credential(i, from.credential, from.scope);
        i.state = find_instance_state(i);
        next_->instances.push_back(std::move(i));
    }

    void add_credential(proxy::instance& i, const std::string& name, const std::string& scope) {
        const auto& from = tree_.credentials.find(name)->second;
        const std::string path = "credentials." + name;
        // One bad credential is one mistake, however many instances use it.
        const auto fail = [&](const std::string& key, const fault& f) {
            if (told_.insert(name).second) error(path + key, f);
        };
        if (from.api_key.empty()) return add_token(i, name, scope, fail);
        auto secret = resolve(from.api_key);
        if (!secret) return fail(".api_key", secret.error());
        if (secret->find_first_of("\r\n") != std::string::npos)
            return fail(".api_key", {.message = "the key has line ends inside"});
        i.auth_name = "api-key";
        i.auth_value = secret_text(*secret);
        cleanse(*secret);
    }

    result<std::string> resolve(const config::secret_ref& ref) {
        if (ref.where() == config::secret_ref::kind::file) read_file(std::string(ref.place()));
        return config::resolve(ref);
    }

    template <class Fail>
    void add_token(proxy::instance& i, const std::string& name, const std::string& scope, const Fail& fail) {
        const auto env = config::process_environment();
        const credentials::source_context with{env,
                                               [this](const std::string& ca_file) {
                                                   read_file(ca_file);
                                                   return tls_.for_instances(ca_file);
                                               },
                                               [this](const std::string& link) -> const config::credential* {
                                                   const auto at = tree_.credentials.find(link);
                                                   return at == tree_.credentials.end() ? nullptr : &at->second;
                                               }};
        const auto& from = tree_.credentials.find(name)->second;
        auto source = credentials::make_source(from, with);
        if (!source) return fail("", source.error());
        i.token = identities_.token({name, config::credential_identity(tree_, from), scope, proof_of(from)},
                                    std::move(*source));
    }

    // Another digest, another secret. Sources that read files at each use need none.
    std::string proof_of(const config::credential& from) {
        std::string out;
        if (from.client_secret) {
            if (auto secret = resolve(from.client_secret->secret)) {
                std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
                SHA256(reinterpret_cast<const unsigned char*>(secret->data()), secret->size(), digest.data());
                out.assign(reinterpret_cast<const char*>(digest.data()), digest.size());
                cleanse(*secret);
            }
        }
        for (const auto& link : from.chain)
            if (const auto at = tree_.credentials.find(link); at != tree_.credentials.end())
                out += proof_of(at->second);
        return out;
    }

    // Another key or identity is another chance: what was refused before says nothing about it.
    std::shared_ptr<proxy::breaker_state> find_instance_state(const proxy::instance& i) {
        if (before_ != nullptr)
            for (const auto& old : before_->instances) {
                if (old.identity != i.identity) continue;
                const bool refused = old.state->view(clock::now()).mode == core::breaker_mode::misconfigured;
                if (!refused || (old.auth_value == i.auth_value && old.token == i.token)) return old.state;
            }
        return std::make_shared<proxy::breaker_state>(config::breaker_policy{});
    }

    std::shared_ptr<proxy::shared_backend> find_backend_state(const std::string& identity,
                                                              const core::breaker_policy& policy) {
        auto& known = backend_states_[identity];
        if (known) return known;
        if (before_ != nullptr)
            for (const auto& p : before_->pools)
                for (const auto& b : p.backends)
                    if (b.identity == identity) known = b.state;
        if (!known) known = std::make_shared<proxy::shared_backend>(policy);
        policies_.emplace_back(known, policy);
        return known;
    }

    void add_pool(const std::string& name, const config::pool& from) {
        proxy::pool p;
        p.name = name;
        p.model = from.model;
        p.version = from.version;
        p.label = labels_.intern(name);
        p.retry = from.retry;
        p.breaker = from.breaker;
        p.connect_timeout = from.timeouts.connect;
        p.first_byte_timeout = from.timeouts.first_byte;
        p.idle_timeout = from.timeouts.idle;
        p.request_timeout = from.timeouts.request;
        p.commit_hold = from.commit.hold;
        std::vector<core::plan_member> members;
        for (const auto& b : from.backends) {
            const auto& on = tree_.instances.find(b.instance)->second;
            proxy::backend made;
            made.name = b.instance + "/" + b.deployment;
            made.instance = place_of(tree_.instances, b.instance);
            made.deployment = b.deployment;
            http::append_json_string(made.model_json, b.deployment);
            made.type = config::to_string(b.type);
            made.max_outstanding = b.limits.max_outstanding.value_or(0);
            made.identity = config::backend_identity(on, b);
            made.label = labels_.intern(made.name);
            made.state = find_backend_state(made.identity, from.breaker);
            p.backends.push_back(std::move(made));
            members.push_back(
                {b.priority, b.weight, !tree_.gateway.region.empty() && on.region == tree_.gateway.region});
        }
        p.plan =
            core::make_plan(members, from.prefer == config::preference::region, core::find_balancer(from.balance));
        next_->pools.push_back(std::move(p));
    }

    void add_client(const std::string& name, const config::client& from) {
        const std::size_t index = next_->clients.size();
        proxy::client c;
        c.name = name;
        c.label = labels_.intern(name);
        c.served_by_headers = from.expose_headers.value_or(tree_.gateway.expose_headers);
        for (const auto& k : from.keys) {
            next_->keys.add(k.hash.bytes, index,
                            {k.not_before.value_or(wall_time::min()), k.expires.value_or(wall_time::max())});
            next_->key_labels.push_back(k.label);
        }
        if (from.entra) add_entra(index, *from.entra);
        if (from.openid) add_openid(index, *from.openid);
        if (from.certificate) {
            for (const auto& f : from.certificate->fingerprints) next_->certificates.add_fingerprint(f.bytes, index);
            for (const auto& n : from.certificate->names) next_->certificates.add_name(n, index);
        }
        next_->clients.push_back(std::move(c));
    }

    void add_entra(std::size_t client, const config::entra_match& m) {
        for (std::size_t p = 0; p < next_->providers.size(); ++p)
            if (next_->providers[p].tenant == m.tenant)
                next_->token_rules.add({client, p, m.application, m.object, {}, m.roles, m.scopes, m.groups, {}});
    }

    void add_openid(std::size_t client, const config::openid_match& m) {
        core::token_rule r;
        r.client = client;
        r.provider = place_of(tree_.token_providers, m.provider);
        r.subject = m.subject;
        r.claims.assign(m.claims.begin(), m.claims.end());
        next_->token_rules.add(std::move(r));
    }

    void add_routes() {
        std::vector<core::route_rule> rules;
        for (std::size_t i = 0; i < tree_.routes.size(); ++i) {
            rules.push_back(make_rule(i));
            next_->route_names.push_back(rules.back().name);
            next_->route_passes_token.push_back(tree_.routes[i].passthrough);
        }
        next_->router = core::router(std::move(rules), next_->clients.size());
    }

    core::route_rule make_rule(std::size_t index) const {
        const auto& from = tree_.routes[index];
        core::route_rule r;
        r.name = config::route_label(tree_, index);
        r.deployment = from.deployment;
        std::set<std::size_t> clients;
        for (const auto& who : from.clients) {
            if (who == "*") r.all_clients = true;
            const bool group = text::istarts_with(who, "group:");
            for (const auto& [name, c] : tree_.clients)
                if (name == who ||
                    (group && std::find(c.groups.begin(), c.groups.end(), who.substr(6)) != c.groups.end()))
                    clients.insert(place_of(tree_.clients, name));
        }
        r.clients.assign(clients.begin(), clients.end());
        const auto names = core::operation_names();
        for (const auto& o : from.operations)
            r.operations |= 1U << (std::find(names.begin(), names.end(), o) - names.begin());
        r.headers.assign(from.headers.begin(), from.headers.end());
        if (from.split) {
            for (const auto& [name, weight] : from.split->pools)
                r.pools.push_back({place_of(tree_.pools, name), weight});
            r.sticky = from.split->sticky;
        } else {
            r.pools.push_back({place_of(tree_.pools, from.pool), 1});
        }
        return r;
    }

    // The names that a client can call: exact ones as they stand, of a pattern the pools' models that fit it.
    void add_models() {
        for (std::size_t c = 0; c < next_->clients.size(); ++c) {
            std::set<std::string> names;
            for (const auto at : next_->router.routes_of(c)) {
                const auto& r = next_->router.rules()[at];
                if (r.deployment.find('*') == std::string::npos) {
                    names.insert(r.deployment);
                    continue;
                }
                for (const auto& share : r.pools)
                    for (const auto& name : {next_->pools[share.pool].model, next_->pools[share.pool].name})
                        if (!name.empty() && text::glob_match(r.deployment, name)) names.insert(name);
            }
            next_->clients[c].models.assign(names.begin(), names.end());
        }
    }

public:
    // Only now, when nothing can fail any more: the states are shared with the running configuration.
    void adopt_policies() {
        for (const auto& [state, policy] : policies_)
            state->breaker.change([&p = policy](core::breaker& b) { b.set_policy(p); });
    }

private:
    const config::tree& tree_;
    const proxy::snapshot* before_;
    stats::label_table& labels_;
    tls_store& tls_;
    identity_service& identities_;
    compiled& out_;
    std::shared_ptr<proxy::snapshot> next_ = std::make_shared<proxy::snapshot>();
    std::map<std::string, std::shared_ptr<proxy::shared_backend>> backend_states_;
    std::vector<std::pair<std::shared_ptr<proxy::shared_backend>, core::breaker_policy>> policies_;
    std::set<std::string> told_;
};

}  // namespace

compiled compiler::compile(const config::checked& from, const proxy::snapshot* before) {
    compiled out;
    identities_.begin();
    compilation c(from, before, labels_, tls_, identities_, out);
    auto next = c.run();
    if (config::has_errors(out.issues)) return out;
    c.adopt_policies();
    next->generation = ++generation_;
    out.snapshot = std::move(next);
    return out;
}

}  // namespace spillway::server
