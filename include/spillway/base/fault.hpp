#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <boost/system/result.hpp>

#include <spillway/base/time.hpp>

namespace spillway {

// Who caused an expected failure. Decides what is counted, what is logged and who is told.
enum class origin : std::uint8_t { client, gateway, upstream };

// An expected failure as a value. `code` is stable (documented in docs/errors.md, used as the error code that a
// client sees and as a metric label); `message` tells its reader what to do and never holds a secret.
struct fault {
    std::string_view code;  // static storage
    origin who{origin::gateway};
    int status{500};  // the HTTP status it becomes when a client has to be told
    std::string message;
    duration wait{};                     // what the client is to wait, told in Retry-After; zero: nothing is told
    std::optional<bool> should_retry{};  // told in x-should-retry, which SDKs believe; unset: nothing is told
};

// Expected failures travel in the return value; exceptions end at most one session.
template <class T>
using result = boost::system::result<T, fault>;

// Asking a failed result for its value is a bug of ours: make it loud, but let the session's handler contain it.
// Boost.System finds this by the type's namespace.
[[noreturn]] inline void throw_exception_from_error(const fault& f, const boost::source_location&) {
    throw std::runtime_error("unchecked fault " + std::string(f.code) + ": " + f.message);
}

}  // namespace spillway
