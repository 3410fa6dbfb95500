#pragma once

#include <cstddef>
#include <vector>

namespace spillway::server {

// As many descriptors as the hard limit grants.
void raise_descriptor_limit();
// How many that are, and how many are open.
std::size_t descriptor_limit() noexcept;
std::size_t open_descriptors();

// Neither a core file nor another process of the same user shall read keys out of our memory. The leak checker of
// test builds is such a process.
void forbid_core_dumps();

// Descriptors that are held so that none is missing when operators come, or a file has to be read, while clients have
// all others. Main thread.
class descriptor_reserve {
public:
    explicit descriptor_reserve(std::size_t how_many) : wanted_(how_many) { refill(); }
    ~descriptor_reserve() { lend(held_.size()); }
    descriptor_reserve(const descriptor_reserve&) = delete;
    descriptor_reserve& operator=(const descriptor_reserve&) = delete;

    // Closes that many, so that the caller can open others. False: there was none.
    bool lend(std::size_t how_many) noexcept;
    // Takes back what can be had again.
    void refill() noexcept;

private:
    std::size_t wanted_;
    std::vector<int> held_;
};

}  // namespace spillway::server
