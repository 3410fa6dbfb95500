#include <spillway/base/plain_file.hpp>
#include <spillway/server/tls_store.hpp>

namespace spillway::server {

std::string tls_terms(const config::listener_tls& from) {
    std::string out = from.min_version == config::tls_version::tls1_3 ? "1.3" : "1.2";
    if (from.client_ca.empty()) return out;
    out += from.client_auth == config::client_auth::required ? " required\n" : " optional\n";
    if (const auto text = read_plain_file(from.client_ca, most_pem_bytes)) out += *text;
    return out;
}

}  // namespace spillway::server
