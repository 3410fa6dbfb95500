#pragma once

#include <spillway/ledger/ledger.hpp>

#include "carrier.hpp"

namespace spillway::ledger {

// open() with another way to the store: for tests.
result<std::unique_ptr<service>> open_with(opening with, store_opener open_store);

}  // namespace spillway::ledger
