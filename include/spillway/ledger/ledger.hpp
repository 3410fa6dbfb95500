#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/base/time.hpp>
#include <spillway/config/usage.hpp>
#include <spillway/core/usage_record.hpp>

// Usage records on their way: a worker writes into its own preallocated, memory-mapped spool file (no system call, no
// lock; what is written survives `kill -9`), a thread of the ledger carries them into the store.
namespace spillway::ledger {

// One writer's end of the spool. append() belongs to one thread.
class spool_writer {
public:
    virtual ~spool_writer() = default;
    // Takes the record; false when it is lost because the spool is full. Never blocks, never allocates on the usual
    // way.
    virtual bool append(const core::usage_record& r) noexcept = 0;
};

// Spent since the beginning of a period, by who and what. Remembered over restarts, exactly: what was booked counts.
struct spent {
    std::uint64_t tokens{0};
    std::int64_t money_nanos{0};
};

// Records that the store refuses for what they say: they lie in files of the spool's folder (rejected.*.jsonl) until
// they are offered again (offer_again.hpp).
struct set_aside {
    std::uint64_t records{0};
    std::int64_t oldest_us{0};  // microseconds since 1970; 0: none, or unknown
    std::string reason;         // of the last one; names and codes of the store, nothing of the record
};

// How the ledger does, for readiness details, metrics and the status page. Any thread.
struct report {
    bool store_up{false};
    std::string store;         // for people: "sqlite:/path", "postgresql://host/db"; no secret
    std::string last_error;    // empty: none since the store came up
    std::uint64_t written{0};  // records in the store, by this process
    std::uint64_t waiting{0};  // records in the spool, not yet in the store
    std::uint64_t lost{0};     // records that found no room
    std::uint64_t spool_bytes{0}, spool_limit{0};
    bool spool_full{false};  // records are being lost right now
    double oldest_waiting_seconds{0};
    std::uint64_t store_failures{0};
    std::uint64_t refused{0};  // records that this process has set aside
    set_aside aside;           // what lies in the files now, of other processes too
    double oldest_aside_seconds{0};
};

class service {
public:
    virtual ~service() = default;
    // `writer` from 0 to writers-1 as given to open(). Valid as long as the service.
    virtual spool_writer& writer(std::size_t index) noexcept = 0;
    virtual ledger::report report() const = 0;
    // Another store, limit or retention from a reloaded configuration; the folder of the spool cannot change while
    // running (fault). Main thread.
    virtual std::optional<fault> configure(const config::usage& next, const std::string& password) = 0;
    // What clients have spent in the running periods, replayed from what was booked: key is
    // "<client>|<pool>|<period>", period as in period_key() of core/period.hpp. Called once, before workers run.
    virtual std::map<std::string, spent> spent_at_start() const = 0;
    // The same at this moment, of all that was appended; reads the spool, so for a reload, not for a request.
    virtual std::map<std::string, spent> spent_now() const = 0;
    // Writes what is waiting if the store lets it, for at most `within`; then stops the thread. Records that remain
    // wait in the spool for the next start.
    virtual void stop(duration within) = 0;
};

struct opening {
    config::usage settings;
    std::string password;  // of the database
    std::string gateway;   // name of this process
    std::size_t writers{1};
    std::function<void(std::string)> alarm;  // tells operators; one call at a time; must not block
};

// Makes folder and files, takes over what an earlier process left, starts the thread. Blocks on the disk: main
// thread. Faults: the folder cannot be made or written. A store that is away is no fault.
result<std::unique_ptr<service>> open(opening with);

}  // namespace spillway::ledger
