#pragma once

namespace spillway::bench {

// From now on the loops of this program never sleep: they look for events again and again and yield their core in
// between. A program that sleeps has to be woken by whoever writes to it, and a slower proxy lets it sleep more
// often: the price of waking it would be counted as the proxy's.
void never_sleep() noexcept;

}  // namespace spillway::bench
