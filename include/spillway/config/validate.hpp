#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/config/load.hpp>

namespace spillway::config {

// A kind of usage store, by what its URLs begin with.
struct store_form {
    std::string_view prefix;
    std::string_view example;
    bool takes_password{false};
};

// Names that other layers own and that a configuration may use.
struct known_names {
    std::span<const std::string_view> operations;        // of the operation table
    std::span<const std::string_view> operation_groups;  // words for several of them
    std::span<const std::string_view> balancers;         // of the balancer table
    std::span<const store_form> stores;                  // of the table of stores
};

// Whether the parts of the tree fit together: references, residency, shadowed routes, limits. Pure: no file is opened
// and no name resolved. Errors forbid the tree; warnings are advice.
std::vector<issue> validate(const tree& t, const known_names& names);

// A configuration that may be used, and the advice about it.
struct checked {
    config::tree tree;
    std::vector<issue> warnings;
    std::string hash;
    std::string text, keys_text;  // of the file and of the keys file: what it was made of
};

// Errors of loading and of validation together, in the order of the file; never empty.
using check_result = boost::system::result<checked, std::vector<issue>>;

// Loads and validates: what `spillway run`, a reload and `spillway check` do.
check_result check_file(const std::string& path, const known_names& names,
                        const environment& env = process_environment());
check_result check_text(std::string_view text, std::string_view file_name, const known_names& names,
                        const environment& env = process_environment());

// The same configuration once more, from its own text whatever lies on the disk by now, with the keys file as it is
// now. A keys file that is wrong is advice: its last good text serves on.
check_result check_again(const checked& last, const known_names& names,
                         const environment& env = process_environment());

// Boost.System finds this by the element's namespace when value() is called on a failed result.
[[noreturn]] void throw_exception_from_error(const std::vector<issue>& issues, const boost::source_location&);

}  // namespace spillway::config
