#pragma once

#include "../../../src/proxy/caller/caller.hpp"
#include "room_kit.hpp"

namespace spillway::proxy {

// A request that has come whole, whose client is known and whose body is read: what the next room gets.
struct known_request {
    known_request(room_kit& kit, std::string_view bytes) : at(kit.begin(bytes)), asked(at), who(at) {
        EXPECT_EQ(kit.run(asked.read_head()), request::arrival::complete);
        EXPECT_FALSE(asked.understand());
        EXPECT_FALSE(asked.classify());
        EXPECT_FALSE(who.identify(asked));
        EXPECT_TRUE(asked.body.is_here());
        EXPECT_FALSE(asked.read_terms());
    }
    setting& at;
    request asked;
    caller who;
};

}  // namespace spillway::proxy
