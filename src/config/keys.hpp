#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <spillway/config/tree.hpp>

#include "values.hpp"

// Each key of the configuration is declared once, in declare_*.cpp: its name, what it means, its kind, range and the
// field that it fills. Loader, JSON Schema and reference are visitors of those declarations.
namespace spillway::config {

// A scalar as it stands in the file and with its ${...} references replaced.
struct scalar_text {
    std::string_view raw;
    std::string_view value;
    bool referred{false};  // an environment variable took part
};

struct problem {
    std::string what;
    std::string remedy;
    severity level{severity::error};
};

// What a scalar may be and where it goes.
struct scalar {
    enum class shape : std::uint8_t { text, flag, count, size, time, share, choice, secret, hash };

    shape what{shape::text};
    std::string words;    // for people: "duration, 1s to 1h"
    std::string pattern;  // regular expression of the whole text, for the schema; empty: any
    std::optional<std::pair<std::uint64_t, std::uint64_t>> range;  // of a count, for the schema
    std::vector<std::string_view> choices;
    std::string shown_default;  // empty: none
    std::function<std::optional<problem>(const scalar_text&)> read;
};

struct key {
    std::string_view name;
    std::string_view about;
    bool required{false};
};

class visitor {
public:
    visitor() = default;
    visitor(const visitor&) = delete;
    visitor& operator=(const visitor&) = delete;
    virtual ~visitor() = default;

    using fields = std::function<void(visitor&)>;

    virtual void value(const key& k, scalar s) = 0;
    // A list of scalars; `item` makes room for one and says how to read it.
    virtual void values(const key& k, const std::function<scalar()>& item) = 0;
    // A list whose elements are scalars or maps. Each of the two makes room for the element that it reads.
    virtual void mixed(const key& k, const std::function<scalar()>& item, const fields& inside) = 0;
    // One scalar, or keys of their own.
    virtual void either(const key& k, scalar s, const fields& inside) = 0;
    // Keys of their own inside one key. Not visited by the loader when the key is absent.
    virtual void object(const key& k, const fields& inside) = 0;
    // Named entries; `word` is what one of them is called.
    virtual void map(const key& k, std::string_view word,
                     const std::function<void(visitor&, const std::string&)>& inside) = 0;
    virtual void list(const key& k, const fields& item) = 0;
    // All keys of this object that are not declared before: names chosen by the writer.
    virtual void others(std::string_view word, std::string_view about,
                        const std::function<scalar(const std::string&)>& item) = 0;
};

// The whole language: visits every key of the tree.
void declare(visitor& v, tree& t);
void declare(visitor& v, listener& x);
void declare(visitor& v, instance& x);
void declare(visitor& v, pool& x);
void declare(visitor& v, client& x);
void declare(visitor& v, affinity& x);
void declare(visitor& v, route& x);
void declare(visitor& v, credential& x);
void declare(visitor& v, token_provider& x);
void declare(visitor& v, entra_match& x);
void declare(visitor& v, openid_match& x);
void declare(visitor& v, certificate_match& x);
void declare(visitor& v, slow_down& x);
void declare(visitor& v, quota& x);
void declare(visitor& v, usage& x);
void declare(visitor& v, prices& x);
void declare(visitor& v, quotas& x);
void declare(visitor& v, shed& x);
void declare(visitor& v, tracing& x);
void declare(visitor& v, capture& x);
// The keys of one client: hashes, or maps with hash, label and times.
void declare_keys(visitor& v, const key& k, std::vector<client_key>& x);

// Kinds of scalars. Each takes the field that it fills; the field's value at that moment is the shown default.
scalar text_of(std::string& out, std::string pattern = {}, std::string words = "text");
scalar text_of(std::optional<std::string>& out, std::string words = "text");
// A text that goes into a path, a header field or a query, without a blank at an end: plain ASCII, or letters of any
// alphabet where they are escaped.
enum class letters : std::uint8_t { ascii, any };
scalar word_of(std::string& out, std::size_t longest = 64, letters which = letters::ascii);
scalar flag_of(bool& out);
scalar flag_of(std::optional<bool>& out);
scalar count_of(std::uint32_t& out, std::uint32_t least, std::uint32_t most);
scalar count_of(std::optional<std::uint32_t>& out, std::uint32_t least, std::uint32_t most);
scalar count_of(std::optional<std::uint64_t>& out, std::uint64_t least, std::uint64_t most);
// Amounts of money: picounits for one token from a price for a million of them; nanounits from whole amounts.
scalar price_of(std::int64_t& out);
scalar price_of(std::optional<std::int64_t>& out);
scalar money_of(std::optional<std::int64_t>& out);
scalar size_of(std::uint64_t& out, std::uint64_t least, std::uint64_t most);
scalar time_of(duration& out, duration least, duration most);
scalar time_of(std::optional<duration>& out, duration least, duration most);
scalar share_of(double& out);
scalar secret_of(secret_ref& out, bool may_be_hash = false);
scalar hash_of(key_hash& out, std::string_view of = "key");
scalar moment_of(std::optional<wall_time>& out);

// Names of an enumeration, in the order of its values.
using names = std::span<const std::string_view>;
scalar choice_of(std::string_view shown_default, names all, std::function<void(std::size_t)> set);

template <class Enum>
scalar choice_of(Enum& out, names all) {
    return choice_of(all[static_cast<std::size_t>(out)], all, [&out](std::size_t i) { out = static_cast<Enum>(i); });
}

inline constexpr std::array<std::string_view, 4> preference_names{"none", "region", "region_first", "region_only"};
inline constexpr std::array<std::string_view, 9> deployment_type_names{
    "standard",        "provisioned",     "data_zone_standard", "data_zone_provisioned",
    "data_zone_batch", "global_standard", "global_provisioned", "global_batch",
    "developer"};

}  // namespace spillway::config
