#include "store.hpp"

#include <algorithm>
#include <array>

#include <spillway/ledger/store_forms.hpp>

#include "usage_report.hpp"

namespace spillway::ledger {

using opened_store = result<std::unique_ptr<usage_store>>;
using opened_reader = result<std::unique_ptr<usage_reader>>;

namespace {

struct kind {
    config::store_form form;
    opened_store (*open)(const std::string& url, const std::string& password);
    opened_reader (*read)(const std::string& url, const std::string& password);
};

constexpr kind kinds[] = {
#define SPILLWAY_STORE(prefix, example, takes_password, name) \
    {{prefix, example, takes_password}, &open_##name, &read_##name},
#include "stores.inc"
#undef SPILLWAY_STORE
};

constexpr auto forms = [] {
    std::array<config::store_form, std::size(kinds)> out{};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = kinds[i].form;
    return out;
}();

const kind* kind_of(std::string_view url) noexcept {
    const auto at = std::find_if(std::begin(kinds), std::end(kinds),
                                 [url](const kind& k) { return url.starts_with(k.form.prefix); });
    return at == std::end(kinds) ? nullptr : at;
}

fault no_kind(int status) {
    std::string message = "no kind of usage store begins like this URL; a store is ";
    for (const auto& f : forms) message.append(&f == forms.data() ? "" : " or ").append(f.example);
    return {.code = store_away, .who = origin::gateway, .status = status, .message = std::move(message)};
}

}  // namespace

std::span<const config::store_form> store_forms() noexcept { return forms; }

opened_store open_store(const std::string& url, const std::string& password) {
    const auto* k = kind_of(url);
    return k != nullptr ? k->open(url, password) : no_kind(503);
}

opened_reader open_usage_reader(const std::string& url, const std::string& password) {
    const auto* k = kind_of(url);
    return k != nullptr ? k->read(url, password) : no_kind(500);
}

}  // namespace spillway::ledger
