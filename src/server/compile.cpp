#include <spillway/server/compile.hpp>

#include <algorithm>
#include <map>
#include <set>

#include <spillway/base/json_text.hpp>
#include <spillway/base/text.hpp>
#include <spillway/core/operation.hpp>
#include <spillway/http/endpoint_url.hpp>
#include "outbound.hpp"

#include "client_names.hpp"
#include "compile_health.hpp"
#include "configured_files.hpp"
#include "kept_counts.hpp"

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
                configured_files& files, identity_service& identities, compiled& out)
        : tree_(from.tree), before_(before), labels_(labels), files_(files), identities_(identities), out_(out) {
        next_->hash = from.hash;
        next_->tree = std::make_shared<const config::tree>(from.tree);
    }

    std::shared_ptr<proxy::snapshot> run() {
        general();
        use_proxies();
        read_dns();
        for (const auto& [name, l] : tree_.listeners) add_listener(name, l);
        for (const auto& [name, p] : tree_.token_providers) add_provider(name, p);
        for (const auto& [name, i] : tree_.instances) add_instance(name, i);
        for (const auto& [name, p] : tree_.pools) add_pool(name, p);
        for (const auto& [name, c] : tree_.clients) add_client(name, c);
        add_routes();
        add_affinity();
        std::vector<pool_names> called;
        for (const auto& p : next_->pools) called.push_back({p.name, p.model});
        for (std::size_t c = 0; c < next_->clients.size(); ++c)
            next_->clients[c].models = names_of_client(next_->router, c, called);
        add_health(tree_, *next_);
        return next_;
    }

private:
    void error(const std::string& key_path, const fault& f) {
        out_.issues.push_back(tree_.source.make(config::severity::error, key_path, f.message, ""));
    }
    void general() {
        next_->loaded_at = wall_clock::now();
        files_.read(tree_.keys_file);
    }

    // First of all, so that no token is fetched past the proxies.
    void use_proxies() {
        auto rules = outbound_rules(tree_.net, config::process_environment(), [this](const config::secret_ref& ref) {
            if (!files_.reads()) return result<std::string>();
            if (ref.where() == config::secret_ref::kind::file) files_.read(std::string(ref.place()));
            return config::resolve(ref);
        });
        if (!rules) return error("net.proxy", rules.error());
        proxies_ = std::move(*rules);
        identities_.use_proxies(proxies_);
        out_.proxies = proxies_;
    }
    void read_dns() {
        auto from = net::read_dns(tree_.net.dns_servers);
        if (!from) return error("net.dns.servers", from.error());
        out_.dns = std::move(*from);
    }

    void add_listener(const std::string& name, const config::listener& from) {
        const std::string path = "listeners." + name;
        auto l = std::make_shared<proxy::listener>();
        l->name = name;
        l->from = {next_->tree, &next_->tree->listeners.find(name)->second};
        if (const auto at = net::address::parse(from.address)) l->at = *at;
        else error(path + ".address", at.error());
        if (from.tls) {
            l->asks_certificates = !from.tls->client_ca.empty();
            net::server_tls with{from.tls->certificate, from.tls->key};
            with.tls13_only = from.tls->min_version == config::tls_version::tls1_3;
            with.client_ca = from.tls->client_ca;
            with.client_certificate_required = from.tls->client_auth == config::client_auth::required;
            l->tls_terms = tls_terms(*from.tls);
            l->tls = files_.listener_tls(path + ".tls", with);
        }
        add_networks(path + ".trusted_proxies", from.trusted_proxies, l->trusted_proxies);
        add_networks(path + ".allow", from.allow, l->allow);
        const auto old = std::find_if(before_begin(), before_end(), [&](const auto& o) { return o->name == name; });
        if (const auto& ca = from.forwarded_certificate.client_ca; !ca.empty())
            l->certificate_trust = files_.trust(path + ".forwarded_certificate.client_ca", ca,
                                                old != before_end() ? (*old)->certificate_trust : nullptr);
        const auto& m = from.limits;
        if (from.cors) {
            const auto age = std::chrono::duration_cast<seconds>(from.cors->max_age).count();
            l->cors = core::cors_rules{from.cors->origins, from.cors->credentials, std::to_string(age)};
        }
        l->open = open_of(before_, name);
        if (m.connections_per_address != 0) {
            l->by_address = old != before_end() ? (*old)->by_address : nullptr;
            if (!l->by_address || !l->by_address->suits(m.connections))
                l->by_address = std::make_shared<proxy::address_counts>(m.connections);
        }
        next_->listeners.push_back(std::move(l));
    }

    void add_networks(const std::string& path, const std::vector<std::string>& from, std::vector<net::network>& to) {
        for (std::size_t i = 0; i < from.size(); ++i) {
            if (const auto n = net::network::parse(from[i])) to.push_back(*n);
            else error(path + "[" + std::to_string(i) + "]", n.error());
        }
    }

    void add_provider(const std::string& name, const config::token_provider& from) {
        const auto tls = files_.instance_tls("token_providers." + name + ".ca_file", from.ca_file);
        next_->providers.push_back({identities_.provider(name, from, tls), from.tenant, from.audiences,
                                    from.passthrough_audiences, from.skew});
    }

    void add_instance(const std::string& name, const config::instance& from) {
        const std::string path = "instances." + name;
        proxy::instance i;
        i.name = name;
        i.kind = from.kind;
        i.region = from.region;
        i.geography = from.geography;
        i.identity = config::instance_identity(from);
        i.dns_refresh = from.dns_refresh;
        i.pinned_api_version = from.api_version.value_or("");
        const auto url = http::parse_endpoint_url(from.endpoint);
        if (!url) {
            return error(path + ".endpoint", {.message = "is no URL of the form https://host[:port][/prefix]"});
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
        if (url->tls) i.to.tls = files_.instance_tls(path + ".ca_file", from.ca_file);
        i.to.proxy = proxy_for(proxies_, from, *url, i.to);
        next_->has_openai = next_->has_openai || i.kind == config::instance_kind::openai;
        if (!from.organization.empty()) i.extra_fields.emplace_back("OpenAI-Organization", from.organization);
        if (!from.project.empty()) i.extra_fields.emplace_back("OpenAI-Project", from.project);
        i.connections.idle_timeout = from.connections.idle_timeout;
        i.connections.max_age = from.connections.max_age;
        i.connections.max_idle = from.connections.max_idle;
        if (!from.credential.empty()) add_credential(i, from.credential, from.scope);
        i.state = find_instance_state(i);
        next_->instances.push_back(std::move(i));
    }

    void add_credential(proxy::instance& i, const std::string& name, const std::string& scope) {
        const auto& from = tree_.credentials.find(name)->second;
        const proxy::instance* old = nullptr;
        if (before_ != nullptr)
            for (const auto& o : before_->instances)
                if (o.name == i.name) old = &o;
        if (from.api_key.empty()) return add_token(i, name, scope, old);
        auto secret = files_.key("credentials." + name + ".api_key", from.api_key);
        const bool bearer = i.kind == config::instance_kind::openai;
        i.auth_name = bearer ? "Authorization" : "api-key";
        if (secret) i.auth_value = bearer ? secret_text("Bearer " + std::string(secret->view())) : std::move(*secret);
        else if (old != nullptr) i.auth_value = old->auth_value;
    }

    void add_token(proxy::instance& i, const std::string& name, const std::string& scope,
                   const proxy::instance* old) {
        auto source = files_.token_source("credentials." + name, name);
        if (source) {
            const auto& from = tree_.credentials.find(name)->second;
            i.token = identities_.token(
                {name, config::credential_identity(tree_, from), scope, files_.proof_of(from)}, std::move(source));
        } else if (old != nullptr && old->token) {
            i.token = old->token;
            identities_.keep(i.token);
        }
    }

    // Another key or identity is another chance: what was refused before says nothing about it.
    std::shared_ptr<proxy::breaker_state> find_instance_state(const proxy::instance& i) {
        if (before_ != nullptr)
            for (const auto& old : before_->instances) {
                if (old.identity != i.identity || old.to.proxy != i.to.proxy) continue;
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
        out_.policies.emplace_back(known, policy);
        return known;
    }

    std::shared_ptr<proxy::shared_pool> find_pool_state(const std::string& name, double retry_share) {
        std::shared_ptr<proxy::shared_pool> out;
        if (before_ != nullptr)
            for (const auto& p : before_->pools)
                if (p.name == name) out = p.state;
        if (!out) out = std::make_shared<proxy::shared_pool>(retry_share);
        out_.shares.emplace_back(out, retry_share);
        return out;
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
        p.deadlines = {from.timeouts.first_byte, from.timeouts.first_byte_stream, from.timeouts.request};
        p.idle_timeout = from.timeouts.idle;
        p.state = find_pool_state(name, from.retry.budget);
        p.commit_hold = from.commit.hold;
        std::vector<core::plan_member> members;
        for (const auto& b : from.backends) {
            const auto& on = tree_.instances.find(b.instance)->second;
            proxy::backend made;
            made.name = b.instance + "/" + b.deployment;
            made.instance = place_of(tree_.instances, b.instance);
            made.deployment = b.deployment;
            text::append_json_string(made.model_json, b.deployment);
            made.model_member = "\"model\":" + made.model_json + ",";
            made.type = config::to_string(b.type);
            made.max_outstanding = b.limits.max_outstanding.value_or(0);
            made.identity = config::backend_identity(on, b);
            made.label = labels_.intern(made.name);
            made.state = find_backend_state(made.identity, from.breaker);
            p.backends.push_back(std::move(made));
            members.push_back(
                {b.priority, b.weight, core::distance_of(on.region, tree_.gateway.region, tree_.gateway.regions)});
        }
        p.plan = core::make_plan(members, from.prefer, core::find_balancer(from.balance));
        next_->pools.push_back(std::move(p));
    }

    void add_client(const std::string& name, const config::client& from) {
        const std::size_t index = next_->clients.size();
        proxy::client c;
        c.name = name;
        c.label = labels_.intern(name);
        const bool grouped = tree_.affinity && tree_.affinity->scope == config::object_scope::group;
        c.owner = grouped && !from.groups.empty() ? "group:" + from.groups.front() : "client:" + name;
        c.body_bytes = body_bytes_of(before_, name);
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
        }
        next_->router = core::router(std::move(rules), next_->clients.size());
    }

    // By the names of the instances, so that a tag is good on every gateway that has the key.
    void add_affinity() {
        if (!tree_.affinity) return;
        std::vector<identity::tag_key> keys;
        for (std::size_t i = 0; i < tree_.affinity->keys.size(); ++i) {
            const auto& from = tree_.affinity->keys[i];
            auto secret = files_.key("affinity.keys[" + std::to_string(i) + "].secret", from.secret);
            if (!secret) return;
            keys.push_back({static_cast<std::uint8_t>(from.number), std::move(*secret)});
        }
        std::vector<std::string> names;
        for (const auto& i : next_->instances) names.push_back(i.name);
        auto ring = identity::tag_ring::make(keys, names);
        if (!ring) return error("affinity.keys", ring.error());
        next_->tags = std::make_shared<const identity::tag_ring>(std::move(*ring));
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
        for (const auto& o : from.operations) r.operations |= core::operation_bits(o);
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

    using listeners = std::vector<std::shared_ptr<const proxy::listener>>;
    listeners::const_iterator before_begin() const { return before_ ? before_->listeners.begin() : none_.begin(); }
    listeners::const_iterator before_end() const { return before_ ? before_->listeners.end() : none_.end(); }

    const config::tree& tree_;
    const proxy::snapshot* before_;
    stats::label_table& labels_;
    configured_files& files_;
    identity_service& identities_;
    compiled& out_;
    net::proxy_rules proxies_;
    std::shared_ptr<proxy::snapshot> next_ = std::make_shared<proxy::snapshot>();
    std::map<std::string, std::shared_ptr<proxy::shared_backend>> backend_states_;
    const listeners none_;
};

}  // namespace

void compiled::adopt_policies() const {
    for (const auto& [state, policy] : policies) state->breaker.set_policy(policy);
    for (const auto& [state, share] : shares) state->budget.set_share(share);
}

compiled compiler::compile(const config::checked& from, const proxy::snapshot* before, file_rule files) {
    compiled out;
    identities_.begin();
    configured_files reads(from.tree, tls_, files, out);
    auto next = compilation(from, before, labels_, reads, identities_, out).run();
    if (config::has_errors(out.issues)) return out;
    next->generation = ++generation_;
    out.snapshot = std::move(next);
    return out;
}

}  // namespace spillway::server
