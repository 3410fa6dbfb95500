#include <gtest/gtest.h>

#include <spillway/base/freed.hpp>

namespace spillway {
namespace {

int freed_last = 0;
struct thing {
    int number;
};
int release(thing* t) {
    freed_last = t->number;
    return 1;
}

TEST(freed, calls_the_function_and_takes_no_room) {
    thing one{1}, two{2};
    {
        owned<thing, release> p(&one);
        static_assert(sizeof p == sizeof(thing*));
        p.reset(&two);
        EXPECT_EQ(freed_last, 1);
    }
    EXPECT_EQ(freed_last, 2);
    const owned<thing, release> nothing;
    EXPECT_EQ(nothing, nullptr);
}

}  // namespace
}  // namespace spillway
