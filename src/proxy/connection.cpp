#include "connection.hpp"

#include <openssl/ssl.h>

namespace spillway::proxy {

connection::connection(worker_tools& on, const std::shared_ptr<const listener>& from, int fd,
                       const net::address& peer)
    : worker_(on), listener_(from), peer_(peer), client_(on.loop()), in_(on.slabs()) {
    client_.open(fd);
}

void connection::follow_configuration() {
    const auto& now = *worker_.current()->shared;
    if (now.generation == generation_) return;
    generation_ = now.generation;
    if (auto found = now.find_listener(listener_->name)) listener_ = std::move(found);
}

const core::certificate_claims* connection::certificate() {
    if (certificate_read_ || !listener_->asks_certificates || client_.ssl() == nullptr) return certificate_.get();
    certificate_read_ = true;
    X509* shown = SSL_get0_peer_certificate(client_.ssl());
    // A handshake with a certificate that no authority of ours signs has failed already; this looks all the same.
    const bool vouched = SSL_get_verify_result(client_.ssl()) == X509_V_OK;
    if (shown != nullptr && vouched)
        certificate_ = std::make_unique<core::certificate_claims>(identity::read_certificate(shown, true));
    return certificate_.get();
}

}  // namespace spillway::proxy
