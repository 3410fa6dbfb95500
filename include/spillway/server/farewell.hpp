#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <spillway/base/time.hpp>

namespace spillway::server {

// What the process still has to do for others before it leaves: all at once, each on a thread of its own, and none
// waited for beyond a common end. A database that does not answer, a name that does not resolve inside of a foreign
// library, or a pipe without reader then costs neither the time of the shutdown nor the other steps.
class farewell {
public:
    // Begins at once. A step that is left behind goes on while the process ends, so what it touches must stay.
    void add(std::string what, std::function<void()> step);
    // Names of those that have not ended until then.
    std::vector<std::string> wait(time_point until);

private:
    struct book;
    std::shared_ptr<book> book_;
};

// From now on the process ends at that time, whatever it is doing then.
void leave_at_the_latest(time_point end);

}  // namespace spillway::server
