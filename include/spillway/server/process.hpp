#pragma once

namespace spillway::server {

// As many descriptors as the hard limit grants.
void raise_descriptor_limit();

// Neither a core file nor another process of the same user shall read keys out of our memory. The leak checker of
// test builds is such a process.
void forbid_core_dumps();

}  // namespace spillway::server
