#include <string.h>

#include <spillway/base/base64.hpp>
#include <spillway/proxy/exchange.hpp>

// What proves the gateway to an instance, and what of the client's proof is left behind.
namespace spillway::proxy {

std::string_view exchange::auth_name(const instance& i) const noexcept {
    if (passes_token_ || i.token) return http::name_of(http::field_id::authorization);
    return i.auth_name;
}

std::string_view exchange::auth_value(const backend& b, const instance& i) const noexcept {
    if (passes_token_) return scratch_->request.fields.value(http::field_id::authorization);
    if (!i.token) return i.auth_value.view();
    const auto& held = snapshot_->bearers[b.instance];
    return held ? held->field_value.view() : std::string_view{};
}

bool exchange::token_at_hand(const backend& b) {
    const auto* held = snapshot_->bearer_of(b.instance);
    if (held == nullptr || held->expires <= worker_.now()) return false;
    token_version_ = held->version;
    return true;
}

// Only while the first token, or one in the place of an expired one, is on its way.
net::task<void> exchange::await_token(const backend& b, time_point deadline) {
    const auto& cell = *snapshot_->shared->instances[b.instance].token;
    while ((cell.starting() || cell.renewing()) && !cell.usable(worker_.now()) && worker_.now() < deadline &&
           !session_.left().fired())
        co_await worker_.answers().wait(deadline, &session_.left());
}

// The instance has refused the token that it got. Whoever comes first has it renewed; the others find the new one.
net::task<void> exchange::renew_token(const backend& b, time_point deadline) {
    auto& cell = *snapshot_->shared->instances[b.instance].token;
    worker_.stats().credential_renewals.add();
    if (!cell.renew(token_version_, challenge_, worker_.now())) co_return;
    const time_point until = std::min(deadline, worker_.now() + seconds(10));
    while (cell.renewing() && cell.version() == token_version_ && worker_.now() < until && !session_.left().fired())
        co_await worker_.answers().wait(until, &session_.left());
}

// Continuous access evaluation: the claims that a new token has to carry, in base64.
void exchange::note_challenge() {
    challenge_.clear();
    const auto value = scratch_->response.fields.value(http::field_id::www_authenticate);
    constexpr std::string_view mark = "claims=\"";
    const auto at = value.find(mark);
    if (at == std::string_view::npos) return;
    const auto begin = at + mark.size();
    const auto end = value.find('"', begin);
    constexpr std::size_t longest = 4096;
    if (end == std::string_view::npos || end - begin > longest) return;
    challenge_ = text::from_base64(value.substr(begin, end - begin)).value_or("");
}

// The client's key or token has done its work. Its memory is the session's, which will hold other requests.
void exchange::wipe_client_secrets() noexcept {
    if (!scratch_) return;
    for (const auto& f : scratch_->request.fields)
        if ((http::flags_of(f.id) & http::field_flag::secret) != 0 && !f.value.empty())
            ::explicit_bzero(const_cast<char*>(f.value.data()), f.value.size());
    scratch_->request.fields.clear();
}

}  // namespace spillway::proxy
