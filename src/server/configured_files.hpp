#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include <spillway/base/secret_text.hpp>
#include <spillway/server/compile.hpp>

namespace spillway::server {

// The files that one configuration names: each is read, noted for the watch, and what is wrong with it becomes an
// issue. What cannot be used is null; the rule says how bad that is.
class configured_files {
public:
    configured_files(const config::tree& t, tls_store& tls, file_rule rule, compiled& out)
        : tree_(t), tls_(tls), rule_(rule), out_(out) {}

    void read(const std::string& path) {
        if (!path.empty()) out_.files.push_back(path);
    }
    bool reads() const noexcept { return rule_ != file_rule::unread; }
    net::ssl_ctx_ptr listener_tls(const std::string& key_path, const net::server_tls& from);
    net::ssl_ctx_ptr instance_tls(const std::string& key_path, const std::string& ca_file);
    identity::trust_store trust(const std::string& key_path, const std::string& ca_file, identity::trust_store old);
    std::optional<secret_text> key(const std::string& key_path, const config::secret_ref& ref);
    std::unique_ptr<credentials::token_source> token_source(const std::string& key_path, const std::string& name);
    // Another digest, another secret. Sources that read files at each use need none.
    std::string proof_of(const config::credential& from);

private:
    void wrong(const std::string& key_path, const fault& f, bool old);
    bool absent(const std::string& path) const;
    bool absent(const config::credential& c) const;

    const config::tree& tree_;
    tls_store& tls_;
    file_rule rule_;
    compiled& out_;
    std::set<std::string> told_;  // one bad credential is one mistake, however many instances use it
};

}  // namespace spillway::server
