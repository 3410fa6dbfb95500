#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <spillway/core/usage_record.hpp>

// How a usage record lies in a spool file: frames, each [u32 length of payload][u32 check][payload], padded to 8
// bytes, little-endian. A length of 0 ends a file. The check is the payload's CRC-32C and, added to it by exclusive
// or, the file's own number: what a file held when it had another name is never taken for its frames. The payload
// names its own sizes, so that a later version may add numbers and texts at their ends: it reads an earlier one's
// frames with the missing ones empty, and an earlier one passes over what it does not know.
namespace spillway::ledger {

inline constexpr std::size_t frame_head = 8;

// Bytes that the frame of a record takes, a multiple of 8.
std::size_t frame_size(const core::usage_record& r) noexcept;

// Writes the frame to `to`, 8-byte aligned and frame_size(r) bytes long. The length is written last: until then a
// reader sees the end of the file.
void encode_frame(const core::usage_record& r, std::byte* to, std::uint32_t file = 0) noexcept;
// What lies at `to` is no frame, whatever was there.
void end_frames(std::byte* to) noexcept;

struct frame {
    std::span<const std::byte> payload;
    std::size_t size{0};  // of the whole frame
};

// The frame at the beginning of `from` (8-byte aligned); none at the end of what was written, or where it was torn.
// `trusted`: this process wrote it, the checksum need not be computed.
std::optional<frame> next_frame(std::span<const std::byte> from, bool trusted, std::uint32_t file = 0) noexcept;

// The record's views point into the payload. False: of a version that is not known, or made of wrong lengths.
bool decode(std::span<const std::byte> payload, core::usage_record& out) noexcept;

}  // namespace spillway::ledger
