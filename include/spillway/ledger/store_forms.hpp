#pragma once

#include <span>

#include <spillway/config/validate.hpp>

namespace spillway::ledger {

// The kinds of stores that there are, for checking a configuration and for telling what there is.
std::span<const config::store_form> store_forms() noexcept;

}  // namespace spillway::ledger
