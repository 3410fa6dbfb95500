#include "options.hpp"

#include <algorithm>
#include <array>

#include <spillway/net/address.hpp>

#include "yaml_tree.hpp"

namespace spillway::sim {
namespace {

// The gateway's words for Azure's types of deployment.
constexpr std::array<std::string_view, 9> types{
    "standard",        "provisioned",     "data_zone_standard", "data_zone_provisioned",
    "data_zone_batch", "global_standard", "global_provisioned", "global_batch",
    "developer"};

constexpr std::string_view no_certificate =
    "there is no certificate: give tls.certificate and tls.key, or tls.self-signed";

class options_reader {
public:
    explicit options_reader(problems& out) : out_(out) {}

    options read(const json& root) {
        settings_reader in(root, {}, out_);
        if (const json* j = in.raw("control"); j != nullptr) {
            settings_reader c(*j, "control", out_);
            read_address(c, all_.control, true);
            c.finish();
        }
        if (const json* j = in.raw("tls"); j != nullptr) all_.tls = read_tls(*j, "tls");
        if (const json* j = in.raw("identity"); j != nullptr) {
            all_.identity = read_identity(*j, out_);
            if (all_.identity.tls && all_.tls.certificate.empty() && all_.tls.self_signed.empty())
                out_.add("identity.tls", no_certificate);
        }
        in.count("seed", all_.seed);
        in.count("usage_entries", all_.usage_entries);
        if (all_.usage_entries < 1 || all_.usage_entries > 10'000'000)
            in.problem("usage_entries", "has to be from 1 to 10000000");
        in.flag("deterministic", all_.deterministic);
        read_faults(in, {}, {});
        each(in, "instances", [&](const std::string& name, const json& j, const std::string& path) {
            all_.instances.push_back(read_instance(name, j, path));
        });
        if (all_.instances.empty()) out_.add("instances", "at least one is needed");
        in.finish();
        return std::move(all_);
    }

private:
    template <class Each>
    void each(settings_reader& in, const char* key, Each&& take) {
        const json* j = in.raw(key);
        if (j == nullptr) return;
        if (!j->is_object()) return in.problem(key, "has to be a map of names");
        for (const auto& [name, value] : j->items()) take(name, value, in.path_of(key) + "." + name);
    }

    void read_address(settings_reader& in, std::string& out, bool loopback) {
        in.text("address", out);
        const auto parsed = net::address::parse(out);
        if (!parsed) return in.problem("address", "has to be IP:PORT");
        // It shows credentials and makes faults: no other host may reach it.
        const std::string ip = parsed->ip();
        if (loopback && !ip.starts_with("127.") && ip != "::1")
            in.problem("address", "the control endpoint may only listen on a loopback address");
    }

    tls_files read_tls(const json& j, const std::string& path) {
        tls_files t;
        settings_reader in(j, path, out_);
        in.text("certificate", t.certificate);
        in.text("key", t.key);
        in.text("self-signed", t.self_signed);
        if (t.certificate.empty() != t.key.empty()) out_.add(path, "certificate and key belong together");
        if (!t.self_signed.empty() && !t.certificate.empty())
            in.problem("self-signed", "makes its own certificate: take this or certificate and key");
        in.finish();
        return t;
    }

    void read_faults(settings_reader& in, const std::string& instance, const std::string& deployment) {
        const json* j = in.raw("faults");
        if (j == nullptr) return;
        if (!j->is_array()) return in.problem("faults", "has to be a list");
        for (std::size_t i = 0; i < j->size(); ++i) {
            const std::string path = in.path_of("faults") + "[" + std::to_string(i) + "]";
            fault_rule r = read_fault((*j)[i], path, out_);
            if (!instance.empty()) {
                if (!r.instance.empty()) out_.add(path + ".instance", "is known from the place of this fault");
                r.instance = instance;
            }
            if (!deployment.empty()) {
                if (!r.deployment.empty()) out_.add(path + ".deployment", "is known from the place of this fault");
                r.deployment = deployment;
            }
            all_.faults.push_back(std::move(r));
        }
    }

    instance_options read_instance(const std::string& name, const json& j, const std::string& path) {
        instance_options o;
        o.name = name;
        settings_reader in(j, path, out_);
        read_address(in, o.address, false);
        if (const json* t = in.raw("tls"); t != nullptr) {
            o.tls = true;
            if (t->is_object()) o.files = read_tls(*t, path + ".tls");
            else in.flag("tls", o.tls);
        }
        in.text("region", o.region);
        in.text("api_key", o.api_key);
        in.text("bearer", o.bearer);
        if (o.bearer == "identity" && !all_.identity.enabled())
            in.problem("bearer", "needs the section identity, which makes the tokens");
        if (in.has("audiences") && o.bearer != "identity")
            in.problem("audiences", "goes with bearer: identity alone");
        in.list("audiences", o.audiences);
        in.time("job_time", o.job_time);
        in.text("encryption_key", o.encryption_key);
        in.list("prompts", o.prompts);
        in.count("objects", o.objects);
        in.count("object_bytes", o.object_bytes);
        in.time("object_life", o.object_life);
        if (o.objects < 1 || o.objects > 1'000'000) in.problem("objects", "has to be from 1 to 1000000");
        read_faults(in, name, {});
        each(in, "deployments", [&](const std::string& deployment, const json& d, const std::string& below) {
            o.deployments.push_back(read_deployment(name, deployment, d, below));
        });
        in.finish();
        const tls_files& t = o.files.certificate.empty() && o.files.self_signed.empty() ? all_.tls : o.files;
        if (o.tls && t.certificate.empty() && t.self_signed.empty()) out_.add(path + ".tls", no_certificate);
        return o;
    }

    deployment_options read_deployment(const std::string& instance, const std::string& name, const json& j,
                                       const std::string& path) {
        deployment_options o;
        o.name = o.model = name;
        settings_reader in(j, path, out_);
        in.text("model", o.model);
        in.text("version", o.version);
        in.text("type", o.type);
        if (std::find(types.begin(), types.end(), o.type) == types.end())
            in.problem("type", "has to be a type of deployment such as standard or provisioned");
        in.count("tokens_per_minute", o.quota.tokens_per_minute);
        in.count("requests_per_minute", o.quota.requests_per_minute);
        in.count("ptu_tokens_per_minute", o.quota.ptu_tokens_per_minute);
        in.time("request_window", o.quota.request_window);
        if (o.quota.request_window < seconds(1)) in.problem("request_window", "has to be a second at least");
        if (o.provisioned() ? o.quota.tokens_per_minute + o.quota.requests_per_minute != 0
                            : o.quota.ptu_tokens_per_minute != 0)
            in.problem("type", "a provisioned deployment takes ptu_tokens_per_minute, all others the other limits");
        in.time("first_token", o.first_token);
        in.time("per_token", o.per_token);
        in.count("answer_tokens", o.answer_tokens);
        if (o.answer_tokens < 1 || o.answer_tokens > 100000)
            in.problem("answer_tokens", "has to be from 1 to 100000");
        in.share("answer_spread", o.answer_spread);
        in.count("reasoning_tokens", o.reasoning_tokens);
        if (o.reasoning_tokens > 100000) in.problem("reasoning_tokens", "has to be from 0 to 100000");
        in.share("cached_share", o.cached_share);
        in.count("image_bytes", o.image_bytes);
        if (o.image_bytes > 16'777'216) in.problem("image_bytes", "has to be from 0 to 16777216");
        read_faults(in, instance, name);
        in.finish();
        return o;
    }

    problems& out_;
    options all_;
};

}  // namespace

result<options> read_options(const std::string& yaml, const std::string& file_name) {
    auto tree = read_yaml(yaml);
    if (!tree) {
        fault f = tree.error();
        f.message = file_name + ": " + f.message;
        return f;
    }
    problems out;
    out.lines = std::move(tree->lines);
    options o = options_reader(out).read(tree->root);
    if (!out.found.empty()) return out.as_fault(file_name);
    return o;
}

}  // namespace spillway::sim
