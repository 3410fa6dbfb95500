#pragma once

#include <memory>
#include <string>
#include <vector>

#include <spillway/config/validate.hpp>
#include <spillway/net/dns.hpp>
#include <spillway/proxy/snapshot.hpp>
#include <spillway/server/file_rule.hpp>
#include <spillway/server/identity_service.hpp>
#include <spillway/server/tls_store.hpp>
#include <spillway/stats/cells.hpp>

namespace spillway::server {

struct compiled {
    std::shared_ptr<proxy::snapshot> snapshot;  // its accounting part is the server's to add
    std::vector<config::issue> issues;          // errors: then snapshot is null
    net::proxy_rules proxies;                   // the way out
    std::vector<std::string> files;             // what was read: certificates, keys, secrets; to be watched
    net::dns_settings dns;

    // Its breakers, which the running configuration shares, follow its policies. Only when nothing can refuse it.
    void adopt_policies() const;
    std::vector<std::pair<std::shared_ptr<proxy::shared_backend>, core::breaker_policy>> policies;
    std::vector<std::pair<std::shared_ptr<proxy::shared_pool>, double>> shares;  // of retries, likewise
};

// Makes the request path's form of a checked configuration: resolves secrets, loads certificates, compiles routes,
// and finds again the state (breakers, counts) of what is unchanged since `before`. Reads files: main thread only.
// Faults become issues with the place of the key, so that a bad secret file reads like any other mistake. Nothing
// that runs changes: the identities' round is for the caller to keep or to drop.
class compiler {
public:
    compiler(stats::label_table& labels, identity_service& identities) : labels_(labels), identities_(identities) {}
    compiled compile(const config::checked& from, const proxy::snapshot* before, file_rule files = file_rule::needed);

private:
    stats::label_table& labels_;
    identity_service& identities_;
    tls_store tls_;
    std::uint64_t generation_{0};
};

}  // namespace spillway::server
