#include "configured_files.hpp"

#include <openssl/sha.h>
#include <unistd.h>

#include <array>

namespace spillway::server {

// `old`: what serves on under keep_old. Without it the file's absence would take a protection away.
void configured_files::wrong(const std::string& key_path, const fault& f, bool old) {
    if (!told_.insert(key_path + f.message).second) return;
    const bool kept = rule_ == file_rule::keep_old && old;
    out_.issues.push_back(tree_.source.make(kept ? config::severity::warning : config::severity::error, key_path,
                                            f.message, kept ? "what it held before serves on" : ""));
}

bool configured_files::absent(const std::string& path) const {
    if (rule_ == file_rule::unread) return true;
    return rule_ == file_rule::if_there && !path.empty() && ::access(path.c_str(), R_OK) != 0;
}

// Whether a file that the credential's source reads when it is made is not here, or the environment of its host.
bool configured_files::absent(const config::credential& c) const {
    if (rule_ == file_rule::unread) return true;
    if (rule_ != file_rule::if_there) return false;
    // Tokens come from what the machine and its environment hold.
    if (c.workload_identity || c.managed_identity || c.source) return true;
    for (const auto* a : {&c.client_secret, &c.client_certificate})
        if (*a &&
            (absent((*a)->ca_file) || absent((*a)->certificate) || absent((*a)->key) ||
             ((*a)->secret.where() == config::secret_ref::kind::file && absent(std::string((*a)->secret.place())))))
            return true;
    for (const auto& link : c.chain)
        if (const auto at = tree_.credentials.find(link); at != tree_.credentials.end() && absent(at->second))
            return true;
    return false;
}

net::ssl_ctx_ptr configured_files::listener_tls(const std::string& key_path, const net::server_tls& from) {
    for (const auto* path : {&from.certificate, &from.key, &from.client_ca}) read(*path);
    if (absent(from.certificate) || absent(from.key) || absent(from.client_ca)) return nullptr;
    const auto made = tls_.for_listener(from);
    if (made) return *made;
    auto last = rule_ == file_rule::keep_old ? tls_.last_for_listener(from) : nullptr;
    wrong(key_path, made.error(), last != nullptr);
    return last;
}

net::ssl_ctx_ptr configured_files::instance_tls(const std::string& key_path, const std::string& ca_file) {
    read(ca_file);
    if (absent(ca_file)) return nullptr;
    const auto made = tls_.for_instances(ca_file);
    if (made) return *made;
    auto last = rule_ == file_rule::keep_old ? tls_.last_for_instances(ca_file) : nullptr;
    wrong(key_path, made.error(), last != nullptr);
    return last;
}

identity::trust_store configured_files::trust(const std::string& key_path, const std::string& ca_file,
                                              identity::trust_store old) {
    read(ca_file);
    if (absent(ca_file)) return nullptr;
    auto made = identity::load_trust(ca_file);
    if (made) return std::move(*made);
    wrong(key_path, made.error(), old != nullptr);
    return old;
}

std::optional<secret_text> configured_files::key(const std::string& key_path, const config::secret_ref& ref) {
    if (rule_ == file_rule::unread) return std::nullopt;
    if (ref.where() == config::secret_ref::kind::file) {
        read(std::string(ref.place()));
        if (absent(std::string(ref.place()))) return std::nullopt;
    }
    auto secret = config::resolve_field(ref);
    if (!secret) {
        wrong(key_path, secret.error(), true);
        return std::nullopt;
    }
    secret_text out(*secret);
    cleanse(*secret);
    return out;
}

std::unique_ptr<credentials::token_source> configured_files::token_source(const std::string& key_path,
                                                                          const std::string& name) {
    const auto& from = tree_.credentials.find(name)->second;
    if (absent(from)) return nullptr;
    const auto env = config::process_environment();
    const credentials::source_context with{env,
                                           [this](const std::string& ca_file) {
                                               read(ca_file);
                                               return tls_.for_instances(ca_file);
                                           },
                                           [this](const std::string& link) -> const config::credential* {
                                               const auto at = tree_.credentials.find(link);
                                               return at == tree_.credentials.end() ? nullptr : &at->second;
                                           }};
    auto source = credentials::make_source(from, with);
    if (source) return std::move(*source);
    wrong(key_path, source.error(), true);
    return nullptr;
}

std::string configured_files::proof_of(const config::credential& from) {
    std::string out;
    const auto add = [&](const config::secret_ref& ref) {
        if (ref.where() == config::secret_ref::kind::file) read(std::string(ref.place()));
        if (auto secret = config::resolve(ref)) {
            std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
            SHA256(reinterpret_cast<const unsigned char*>(secret->data()), secret->size(), digest.data());
            out.append(reinterpret_cast<const char*>(digest.data()), digest.size());
            cleanse(*secret);
        }
    };
    if (from.client_secret) add(from.client_secret->secret);
    if (from.source)
        for (const auto& [name, secret] : from.source->secrets) add(secret);
    for (const auto& link : from.chain)
        if (const auto at = tree_.credentials.find(link); at != tree_.credentials.end()) out += proof_of(at->second);
    return out;
}

}  // namespace spillway::server
