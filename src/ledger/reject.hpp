#pragma once

#include <span>
#include <string>

#include <spillway/core/usage_record.hpp>

namespace spillway::ledger {

// One line of JSON for what could not be booked, to be looked at by a person.
std::string rejected_line(const core::usage_record& r, const std::string& why);
std::string unreadable_line(std::span<const std::byte> payload);

}  // namespace spillway::ledger
