#include "socket_bio.hpp"

#include <sys/socket.h>

#include <cerrno>

#include <spillway/net/loop.hpp>

namespace spillway::net {
namespace {

watch& of(BIO* b) { return *static_cast<watch*>(BIO_get_data(b)); }

int bio_read(BIO* b, char* into, std::size_t size, std::size_t* got) {
    BIO_clear_retry_flags(b);
    watch& w = of(b);
    if (!w.readable) {
        BIO_set_retry_read(b);
        return 0;
    }
    ssize_t n = 0;
    do n = ::recv(w.fd(), into, size, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        if (errno == EAGAIN) {
            w.readable = false;
            BIO_set_retry_read(b);
        }
        return 0;
    }
    // OpenSSL asks for the end by BIO_CTRL_EOF: without an answer it would not tell an end that the peer announced
    // (close_notify) from one that any host between can make (a FIN).
    if (n == 0) BIO_set_flags(b, BIO_FLAGS_IN_EOF);
    // Less than asked for: the socket is empty, and what comes later is reported anew. After a hang-up no report
    // comes any more, so the end has to be read.
    if (static_cast<std::size_t>(n) < size && !w.hung_up) w.readable = false;
    *got = static_cast<std::size_t>(n);
    return n > 0 ? 1 : 0;
}

int bio_write(BIO* b, const char* from, std::size_t size, std::size_t* put) {
    BIO_clear_retry_flags(b);
    watch& w = of(b);
    ssize_t n = 0;
    do n = ::send(w.fd(), from, size, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        if (errno == EAGAIN) {
            w.writable = false;
            BIO_set_retry_write(b);
        }
        return 0;
    }
    *put = static_cast<std::size_t>(n);
    return 1;
}

long bio_ctrl(BIO* b, int command, long, void*) {
    switch (command) {
        case BIO_CTRL_FLUSH: return 1;
        case BIO_CTRL_EOF: return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
        default: return 0;
    }
}

int bio_create(BIO* b) {
    BIO_set_init(b, 1);
    return 1;
}

BIO_METHOD* make_method() {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "spillway socket");
    BIO_meth_set_read_ex(m, bio_read);
    BIO_meth_set_write_ex(m, bio_write);
    BIO_meth_set_ctrl(m, bio_ctrl);
    BIO_meth_set_create(m, bio_create);
    return m;
}

}  // namespace

BIO* make_socket_bio(watch& w) {
    static BIO_METHOD* const method = make_method();
    BIO* b = BIO_new(method);
    BIO_set_data(b, &w);
    return b;
}

}  // namespace spillway::net
