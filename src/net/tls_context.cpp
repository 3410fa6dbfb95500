#include <spillway/net/tls_context.hpp>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <cstring>
#include <initializer_list>
#include <optional>

#include <spillway/base/plain_file.hpp>

#include "tls_session.hpp"

namespace spillway::net {
namespace {

int choose_alpn(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
                unsigned in_length, void*) {
    static constexpr unsigned char ours[] = "\x08http/1.1";
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, out_length, ours, sizeof ours - 1, in, in_length) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

void common_options(SSL_CTX* ctx) {
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // One recv takes what the kernel has instead of a record's head, then its body.
    SSL_CTX_set_read_ahead(ctx, 1);
}

fault tls_fault(std::string what) {
    std::string why = tls_error_text();
    if (!why.empty()) what += ": " + why;
    return {.code = "TlsFile", .who = origin::gateway, .message = std::move(what)};
}

// The library opens files by itself, and would wait for ever for the writer of a pipe.
std::optional<fault> trouble_with_files(std::initializer_list<const std::string*> paths) {
    for (const auto* path : paths)
        if (const auto t = trouble_with_file(*path, most_pem_bytes); !t.what.empty()) {
            ERR_clear_error();
            return tls_fault(t.about(*path));
        }
    return std::nullopt;
}

}  // namespace

std::string tls_error_text() {
    std::string out;
    // The last error says most, unless the system was the reason: then its own word is the one that helps.
    while (const unsigned long e = ERR_get_error()) {
        const int code = ERR_GET_REASON(e);
        if (ERR_SYSTEM_ERROR(e)) {
            out = std::strerror(code);
            break;
        }
        const char* reason = ERR_reason_error_string(e);
        out = reason != nullptr ? reason : "error " + std::to_string(code);
    }
    ERR_clear_error();
    return out;
}

void settle_certificates(X509_STORE* store) noexcept {
    const STACK_OF(X509_OBJECT)* objects = X509_STORE_get0_objects(store);
    for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i) {
        X509* certificate = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        // -1 asks for no purpose: the answer is what it leaves in the certificate.
        if (certificate != nullptr) X509_check_purpose(certificate, -1, 0);
    }
    ERR_clear_error();
}

result<ssl_ctx_ptr> make_server_context(const server_tls& from) {
    ERR_clear_error();
    if (auto f = trouble_with_files({&from.certificate, &from.key, &from.client_ca})) return std::move(*f);
    ssl_ctx_ptr ctx(SSL_CTX_new(TLS_server_method()), ssl_ctx_free{});
    if (!ctx) return tls_fault("cannot create a TLS context");
    common_options(ctx.get());
    SSL_CTX_set_options(ctx.get(), SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
    // Clients often just drop the connection; what they sent is delimited by HTTP. Upstream the difference matters.
    if (from.tls13_only) SSL_CTX_set_min_proto_version(ctx.get(), TLS1_3_VERSION);
    // Tickets carry the session; a shared cache would be a lock on every handshake.
    SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx.get(), 1);
    SSL_CTX_set_alpn_select_cb(ctx.get(), choose_alpn, nullptr);
    if (SSL_CTX_use_certificate_chain_file(ctx.get(), from.certificate.c_str()) != 1)
        return tls_fault("cannot read the certificate chain " + from.certificate);
    if (SSL_CTX_use_PrivateKey_file(ctx.get(), from.key.c_str(), SSL_FILETYPE_PEM) != 1)
        return tls_fault("cannot read the private key " + from.key);
    if (SSL_CTX_check_private_key(ctx.get()) != 1)
        return tls_fault("the private key " + from.key + " does not belong to the certificate " + from.certificate);
    if (from.client_ca.empty()) return ctx;
    STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(from.client_ca.c_str());
    if (names == nullptr || SSL_CTX_load_verify_locations(ctx.get(), from.client_ca.c_str(), nullptr) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return tls_fault("cannot read the client authorities " + from.client_ca);
    }
    settle_certificates(SSL_CTX_get_cert_store(ctx.get()));
    SSL_CTX_set_client_CA_list(ctx.get(), names);
    SSL_CTX_set_verify(ctx.get(),
                       SSL_VERIFY_PEER | (from.client_certificate_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       nullptr);
    // Sessions that carry a client's certificate are resumed in the context that verified it, and in no other.
    static constexpr unsigned char context[] = "spillway";
    SSL_CTX_set_session_id_context(ctx.get(), context, sizeof context - 1);
    return ctx;
}

result<ssl_ctx_ptr> make_client_context(const std::string& ca_file) {
    ERR_clear_error();
    if (auto f = trouble_with_files({&ca_file})) return std::move(*f);
    ssl_ctx_ptr ctx(SSL_CTX_new(TLS_client_method()), ssl_ctx_free{});
    if (!ctx) return tls_fault("cannot create a TLS context");
    common_options(ctx.get());
    SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER, nullptr);
    const int ok = ca_file.empty() ? SSL_CTX_set_default_verify_paths(ctx.get())
                                   : SSL_CTX_load_verify_locations(ctx.get(), ca_file.c_str(), nullptr);
    if (ok != 1)
        return tls_fault("cannot read the certificate authorities " + (ca_file.empty() ? "of the system" : ca_file));
    settle_certificates(SSL_CTX_get_cert_store(ctx.get()));
    static constexpr unsigned char alpn[] = "\x08http/1.1";
    SSL_CTX_set_alpn_protos(ctx.get(), alpn, sizeof alpn - 1);
    // Sessions are kept by the endpoint that they belong to (net/upstream), never in a cache of the context.
    SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx.get(), keep_client_session);
    return ctx;
}

}  // namespace spillway::net
