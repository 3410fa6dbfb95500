#include "store.hpp"

#include <array>

namespace spillway::ledger {
namespace {

using opened = result<std::unique_ptr<usage_store>>;

constexpr std::string_view sqlite_prefix = "sqlite:";

opened sqlite_at(const std::string& url, const std::string&) {
    return open_sqlite(std::string_view(url).substr(sqlite_prefix.size()));
}

struct kind {
    std::string_view prefix;
    opened (*open)(const std::string& url, const std::string& password);
};

// Another kind of store is its own file and one line here.
constexpr std::array store_kinds{
    kind{sqlite_prefix, sqlite_at},
    kind{"postgresql://", open_postgresql},
};

}  // namespace

opened open_store(const std::string& url, const std::string& password) {
    for (const auto& k : store_kinds)
        if (url.starts_with(k.prefix)) return k.open(url, password);
    return fault{store_away, origin::gateway, 503, false, "no kind of usage store begins like this URL"};
}

}  // namespace spillway::ledger
