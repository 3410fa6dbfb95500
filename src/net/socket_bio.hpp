#pragma once

#include <openssl/bio.h>

namespace spillway::net {

// OpenSSL's door to a watch's descriptor. Unlike the stock socket BIO it keeps the watch's ready flags, so that a
// read which cannot succeed makes no system call, and a short read ends the readiness without a second one. The
// returned BIO does not own the watch.
BIO* make_socket_bio(class watch& w);

}  // namespace spillway::net
