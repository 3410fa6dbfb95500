#include <spillway/server/process.hpp>

#include <sys/prctl.h>
#include <sys/resource.h>

namespace spillway::server {

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void forbid_core_dumps() {
#if !defined(__SANITIZE_ADDRESS__)
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::prctl(PR_SET_DUMPABLE, 0);
#endif
}

}  // namespace spillway::server
