#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <spillway/http/id_walker.hpp>
#include <spillway/identity/object_tag.hpp>

#include "transform.hpp"

namespace spillway::proxy {

// What an answer's ids are lengthened by.
struct tagging {
    const identity::tag_ring* ring{nullptr};
    std::size_t instance{0};  // that answers
    std::string_view owner;
    bool ids{true};  // false: reasoning alone, of an answer that nobody keeps
};

// Tags the ids of an answer for its client, and marks encrypted reasoning. All in `by` outlives it.
std::unique_ptr<transform> make_id_tagger(http::id_walker::form form, const tagging& by);

}  // namespace spillway::proxy
