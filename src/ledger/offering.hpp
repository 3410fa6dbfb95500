#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store.hpp"

namespace spillway::ledger {

struct refusal {
    const core::usage_record* record;
    std::string why;
};

// Offers records to a store, and finds out who is to blame when it refuses some. A record is to blame only for what
// another one does better there: a refused record is compared with a control, a record that is written in a
// transaction which is rolled back. The control is the copy of a record that the store has just taken; when it took
// none, the copy of the refused one in which every text that a client or a backend chose is replaced. When the
// control is refused too, the store is to blame, and all records have to be offered again later.
class offering {
public:
    // Nothing: the store has all records but those in refused(). Fault, whose code is never `record_refused`: the
    // store is to blame; some of the records may be in it. `records` have to live as long as refused() is read.
    std::optional<fault> write(usage_store& to, std::span<const core::usage_record> records);
    const std::vector<refusal>& refused() const noexcept { return refused_; }

private:
    std::optional<fault> narrow(std::span<const core::usage_record> refused_together, fault why);
    std::optional<fault> offer(std::span<const core::usage_record> records);
    std::optional<fault> offer_some(std::span<const core::usage_record> records);
    std::optional<fault> judge();
    std::optional<fault> try_out(const core::usage_record& control);
    std::optional<fault> offer_refused_again();

    usage_store* store_{nullptr};
    const core::usage_record* taken_{nullptr};  // by this try
    std::vector<refusal> refused_;
    unsigned refused_wholly_{0};  // tries in a row in which the store took nothing
};

}  // namespace spillway::ledger
