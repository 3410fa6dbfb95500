#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/core/usage_record.hpp>

namespace spillway::ledger {

// One line of JSON for what could not be booked, to be looked at by a person.
std::string rejected_line(const core::usage_record& r, const std::string& why);
std::string unreadable_line(std::span<const std::byte> payload);
// Why the record of this line was set aside; nothing of what it says.
std::string reason_of(std::string_view line);

// The record of such a line, read back; its views point into `texts`.
class rejected_record {
public:
    // Nothing: no such line, or one of a version that is not known.
    static std::optional<rejected_record> read(std::string_view line);
    const core::usage_record& record() const noexcept { return record_; }

private:
    core::usage_record record_;
    std::unique_ptr<std::deque<std::string>> texts_ = std::make_unique<std::deque<std::string>>();
    std::unique_ptr<std::vector<std::byte>> payload_;
};

}  // namespace spillway::ledger
