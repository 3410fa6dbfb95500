#pragma once

#include <optional>
#include <string>

#include <spillway/core/object_ids.hpp>

#include "../request/request.hpp"

namespace spillway::proxy {

// The objects that a request names: whether they are its client's, and which instance keeps them. Tags and marks are
// taken off on the way: scratch has the ids as the instance knows them.
class ties {
public:
    explicit ties(const setting& at) noexcept : at_(at) {}

    // Faults: ObjectNotFound (404), ObjectGone (410), ObjectsOnDifferentInstances, StatefulRequestNotSupported (400).
    // Requests without an object, and gateways without keys, pass. `what` gets the path's ids.
    maybe_fault find(const request& asked, std::string_view owner, core::classified& what);

    std::optional<std::size_t> instance;  // by the configuration's number
    bool changes_query{false};
    bool unmarked_reasoning{false};  // reasoning came that bears no mark of ours

private:
    maybe_fault take(std::string_view value, std::string_view owner, std::string_view where, std::size_t& kept);
    maybe_fault tie_to(std::optional<std::size_t> to);
    maybe_fault in_path(const request& asked, std::string_view owner, core::classified& what);
    maybe_fault in_query(const request& asked, std::string_view owner);
    maybe_fault in_body(const request& asked, std::string_view owner);
    maybe_fault in_form(const request& asked, std::string_view owner);
    maybe_fault in_body_string(const request& asked, std::string_view owner, int member, int parent,
                               std::string_view value, bool escaped);
    bool was_opened(const request& asked, std::string_view raw) const noexcept;

    const setting& at_;
};

}  // namespace spillway::proxy
