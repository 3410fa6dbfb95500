#include "gateway_credential.hpp"

#include <algorithm>

#include <spillway/base/base64.hpp>

namespace spillway::proxy {

upstream_request::proof gateway_credential::proof(const backend& b) const noexcept {
    const instance& i = at_.config().instances[b.instance];
    const auto authorization = http::name_of(http::field_id::authorization);
    if (plan_.passes_token) return {authorization, asked_.fields().value(http::field_id::authorization)};
    if (!i.token) return {i.auth_name, i.auth_value.view()};
    const auto& held = at_.snapshot->bearers[b.instance];
    return {authorization, held ? held->field_value.view() : std::string_view{}};
}

bool gateway_credential::at_hand(const backend& b) {
    const auto* held = at_.snapshot->bearer_of(b.instance);
    if (held == nullptr || held->expires <= at_.worker.now()) return false;
    version_ = held->version;
    return true;
}

net::task<void> gateway_credential::await(const backend& b, time_point deadline) {
    const auto& cell = *at_.config().instances[b.instance].token;
    while ((cell.starting() || cell.renewing()) && !cell.usable(at_.worker.now()) && at_.worker.now() < deadline &&
           !at_.left().fired())
        co_await at_.worker.answers().wait(deadline, &at_.left());
}

net::task<void> gateway_credential::renew(const backend& b, time_point deadline) {
    auto& cell = *at_.config().instances[b.instance].token;
    at_.worker.stats().credential_renewals.add();
    if (!cell.renew(version_, challenge_, at_.worker.now())) co_return;
    const time_point until = std::min(deadline, at_.worker.now() + seconds(10));
    while (cell.renewing() && cell.version() == version_ && at_.worker.now() < until && !at_.left().fired())
        co_await at_.worker.answers().wait(until, &at_.left());
}

void gateway_credential::note_challenge(const http::response_head& refusal) {
    challenge_.clear();
    const auto value = refusal.fields.value(http::field_id::www_authenticate);
    constexpr std::string_view mark = "claims=\"";
    const auto at = value.find(mark);
    if (at == std::string_view::npos) return;
    const auto begin = at + mark.size();
    const auto end = value.find('"', begin);
    constexpr std::size_t longest = 4096;
    if (end == std::string_view::npos || end - begin > longest) return;
    challenge_ = text::from_base64(value.substr(begin, end - begin)).value_or("");
}

}  // namespace spillway::proxy
