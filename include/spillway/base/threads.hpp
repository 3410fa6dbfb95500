#pragma once

#include <csignal>

namespace spillway {

// For threads beside the main one, to which all signals belong.
inline void block_signals() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace spillway
