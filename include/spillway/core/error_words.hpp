#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <spillway/base/time.hpp>

namespace spillway::core {

// What an error says of itself, read as JSON members at their places: `error` (or `response.error`, `last_error`, or
// the outermost object) with its `code`, `innererror.code`, `status`. A message may repeat the client's own words, so
// no text is ever searched.
struct error_words {
    std::string code, inner_code;  // decoded; empty: there is none
    int status{0};                 // 0: there is none
    std::optional<duration> told;  // `retry_after` or `retry_after_ms`
    bool operator==(const error_words&) const = default;
};

// `json` is the body of an answer or the data of an event; what is no JSON object says nothing.
error_words read_error(std::string_view json);

// The status that an error inside a stream with status 200 stands for: 429 where another backend has room, 400 where
// the client's own request is at fault, 5xx otherwise, also for unknown codes. `type` decides nothing:
// overload comes as `invalid_request_error`, too.
int stands_for(const error_words& e) noexcept;

// Whether one of the codes says that the deployment does not exist there.
bool says_deployment_not_found(const error_words& e) noexcept;
// Whether one of the codes says that the credential is refused, rather than the network or what the request asks for.
bool says_credential_refused(const error_words& e) noexcept;

}  // namespace spillway::core
