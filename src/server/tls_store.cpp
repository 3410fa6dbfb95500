#include <spillway/server/tls_store.hpp>

#include <openssl/sha.h>

#include <array>

#include <spillway/base/plain_file.hpp>

namespace spillway::server {
namespace {

// Holds no key: the digest is all that stays.
std::string digest_of(const std::string& path) {
    // What cannot be read is told when the context is made.
    auto text = read_plain_file(path, most_pem_bytes + 1);
    std::string all = text ? std::move(*text) : std::string();
    std::array<unsigned char, SHA256_DIGEST_LENGTH> out{};
    SHA256(reinterpret_cast<const unsigned char*>(all.data()), all.size(), out.data());
    OPENSSL_cleanse(all.data(), all.size());
    return {reinterpret_cast<const char*>(out.data()), out.size()};
}

}  // namespace

std::string tls_store::key_of(const net::server_tls& from) {
    return "listener:" + from.certificate + ":" + from.key + ":" + from.client_ca + (from.tls13_only ? ":1.3" : "") +
           (from.client_certificate_required ? ":mutual" : "");
}

result<net::ssl_ctx_ptr> tls_store::for_listener(const net::server_tls& from) {
    auto& known = kept_[key_of(from)];
    std::string contents = digest_of(from.certificate) + digest_of(from.key);
    if (!from.client_ca.empty()) contents += digest_of(from.client_ca);
    if (known.context && known.contents == contents) return known.context;
    auto made = net::make_server_context(from);
    if (made) known = {std::move(contents), *made};
    return made;
}

result<net::ssl_ctx_ptr> tls_store::for_instances(const std::string& ca_file) {
    auto& known = kept_[key_of(ca_file)];
    std::string contents = ca_file.empty() ? std::string() : digest_of(ca_file);
    if (known.context && known.contents == contents) return known.context;
    auto made = net::make_client_context(ca_file);
    if (made) known = {std::move(contents), *made};
    return made;
}

}  // namespace spillway::server
