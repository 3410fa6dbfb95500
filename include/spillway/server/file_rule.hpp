#pragma once

#include <cstdint>

namespace spillway::server {

// What becomes of a certificate, key or secret file that cannot be used.
enum class file_rule : std::uint8_t {
    needed,    // an error: a start or a reload
    if_there,  // one that is not there is no mistake: the file is checked somewhere else than it will run
    unread,    // no file and no secret is read: only routes and pools count
    keep_old,  // what it held before serves on, with a warning: others may have changed for the better
};

}  // namespace spillway::server
