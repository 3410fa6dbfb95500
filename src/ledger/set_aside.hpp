#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include <spillway/core/usage_record.hpp>
#include <spillway/ledger/ledger.hpp>

// The files of the spool's folder with records that were set aside, one line of JSON each (reject.hpp):
// rejected.OWNER.jsonl. Adding to one or replacing it needs its lock (flock), so that `offer-again` can take
// lines out while a gateway adds some.
namespace spillway::ledger {

bool holds_set_aside(std::string_view name) noexcept;

// An open file that is locked, and at that moment was the one which its name leads to. -1: errno tells why;
// EWOULDBLOCK: another process kept the lock for about a second.
int open_locked(int folder, const std::string& name, int flags) noexcept;

// What lies in the files. Remembers how far it has read them, for they may be long.
class set_aside_files {
public:
    set_aside look(int folder, const std::vector<std::string>& names);

private:
    struct file {
        ino_t number{0};
        std::string head;  // what the file begins with: numbers of files come again
        std::int64_t read{0};
        set_aside has;
    };
    static std::string head_of(int fd, std::size_t size);
    static void read_on(int fd, std::int64_t size, file& into);
    std::map<std::string, file> files_;
};

}  // namespace spillway::ledger
