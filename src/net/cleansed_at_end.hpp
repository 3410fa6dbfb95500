#pragma once

#include <string>

#include <spillway/base/secret_text.hpp>

namespace spillway::net {

// Overwrites a string that held a secret when its scope ends, however it ends.
struct cleansed_at_end {
    std::string& s;
    ~cleansed_at_end() { cleanse(s); }
};

}  // namespace spillway::net
