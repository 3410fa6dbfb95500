#include <openssl/crypto.h>

#include <boost/version.hpp>
#include <iostream>

#include "commands.hpp"

namespace spillway::cli {

void add_version(command_line& c) {
    c.app.add_subcommand("version", "Print version and libraries")->callback([] {
        std::cout << "spillway " << SPILLWAY_VERSION << " (" << OpenSSL_version(OPENSSL_VERSION) << ", Boost "
                  << BOOST_VERSION / 100000 << '.' << BOOST_VERSION / 100 % 1000 << ")\n";
    });
}

}  // namespace spillway::cli
