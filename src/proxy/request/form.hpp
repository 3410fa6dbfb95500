#pragma once

#include "body.hpp"
#include "terms.hpp"

namespace spillway::proxy {

// Reads the terms of a body that is a form (multipart/form-data), as terms_reader does those of JSON. BadRequest: no
// usable form, a name that is missing or there twice. ObjectNotFound: a field that names an object.
maybe_fault read_form(const request_body& body, const core::operation& op, request_terms& out, body_marks& marks);

}  // namespace spillway::proxy
