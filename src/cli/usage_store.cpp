#include "usage_store.hpp"

#include <iostream>

#include <spillway/config/secret.hpp>

namespace spillway::cli {

void add_store_options(CLI::App& to, usage_store_options& o) {
    add_config_option(to, o.path);
    to.add_option("--store", o.store,
                  "sqlite:/path or postgresql://user@host/database, instead of the configuration's");
    to.add_option("--password-file", o.password_file, "file with the database's password");
}

std::optional<usage_place> place_of(const usage_store_options& o) {
    usage_place out{o.store, {}, o.currency};
    config::secret_ref password =
        o.password_file.empty() ? config::secret_ref() : config::secret_ref::file(o.password_file);
    if (o.store.empty()) {
        const auto checked = load(o.path);
        if (!checked) {
            print_issues(checked.error());
            return {};
        }
        const auto& t = checked->tree;
        if (!t.usage) {
            std::cerr << o.path << " has no usage ledger; name one with --store\n";
            return {};
        }
        out.store = t.usage->store;
        if (out.currency.empty()) out.currency = t.prices.currency;
        if (password.empty()) password = t.usage->password;
    }
    if (password.empty()) return out;
    auto secret = config::resolve(password);
    if (!secret) {
        std::cerr << "the password of the usage store: " << secret.error().message << '\n';
        return {};
    }
    out.password = std::move(*secret);
    return out;
}

}  // namespace spillway::cli
