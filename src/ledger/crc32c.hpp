#pragma once

#include <cstddef>
#include <cstdint>

namespace spillway::ledger {

// CRC-32C (Castagnoli) of `n` bytes; by the processor's own instruction where it has one.
std::uint32_t crc32c(const void* bytes, std::size_t n) noexcept;
std::uint32_t crc32c_by_table(const void* bytes, std::size_t n) noexcept;

}  // namespace spillway::ledger
