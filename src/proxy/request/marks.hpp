#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spillway/core/body_facts.hpp>
#include <spillway/http/include_usage.hpp>

namespace spillway::proxy {

// Where a body says what, as long as the body is there: views into it, and places of bytes that backends get changed.
struct body_marks {
    std::string_view user;          // as spelled, quotes included
    std::string_view name_in_body;  // the value of `model` where that names the deployment; as spelled
    std::string deployment;         // that value, decoded
    bool name_is_plain{false};      // in a form, where it is no JSON
    // Fields of a form that name objects: members of core::object_members, and their values as views.
    std::vector<std::pair<int, std::string_view>> form_ids;
    // Where `model` stands, or would begin; for instances of kind openai.
    struct {
        std::size_t at{0}, removed{0};
        bool alone{false};  // the body has no member
    } model_place;
    http::usage_edit ask;    // what makes the backend tell the usage of a stream
    bool may_ask{false};     // the client did not, and the operation can
    core::body_needs needs;  // of the route
};

}  // namespace spillway::proxy
