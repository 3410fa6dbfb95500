#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "answer.hpp"
#include "settings_reader.hpp"

namespace spillway::sim {

// What the identity part serves, as faults and counters call it.
enum class identity_endpoint : std::uint8_t { metadata, keys, token, imds, app_service, unknown };
constexpr std::size_t identity_endpoints = 6;
std::string_view name_of(identity_endpoint e) noexcept;

struct identity_fault {
    identity_endpoint at{identity_endpoint::unknown};
    int status{0};  // 0: the usual answer
    std::string body;
    header_list headers;
    std::uint64_t times{0};  // how often it still happens; 0: until it is taken away
    bool hang{false};
    duration delay{};

    answer as_answer() const;
};

// From the control endpoint; what is wrong with it goes to `out`.
identity_fault read_identity_fault(const json& from, problems& out);
json to_json(const identity_fault& f);

// The first that fits a request is met, and one that has a count loses one of it.
class identity_fault_list {
public:
    void add(identity_fault f) { faults_.push_back(std::move(f)); }
    void clear() { faults_.clear(); }
    std::optional<identity_fault> take(identity_endpoint at);
    json to_json() const;

private:
    std::vector<identity_fault> faults_;
};

}  // namespace spillway::sim
