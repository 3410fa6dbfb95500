#include <spillway/identity/key_keeper.hpp>

#include <algorithm>
#include <utility>

#include "documents.hpp"

namespace spillway::identity {
namespace {

constexpr duration first_pause = seconds(2), longest_pause = minutes(1);

constexpr std::string_view no_document = "ProviderHasNoDocument";

std::string without_slash(std::string s) {
    while (s.ends_with('/')) s.pop_back();
    return s;
}

}  // namespace

key_keeper::key_keeper(net::fetcher& by, std::shared_ptr<token_provider> of, std::uint64_t seed)
    : fetcher_(by), provider_(std::move(of)), random_(seed), self_(std::make_shared<key_keeper*>(this)) {
    provider_->on_wake([&l = fetcher_.owner(), self = self_] {
        l.post([self] {
            if (*self != nullptr) (*self)->wake_.fire();
        });
    });
}

key_keeper::~key_keeper() {
    *self_ = nullptr;
    provider_->on_wake(nullptr);
}

void key_keeper::stop() noexcept {
    stopping_ = true;
    stop_.fire();
    wake_.fire();
}

net::task<> key_keeper::run() {
    auto& l = fetcher_.owner();
    duration pause = first_pause;
    bool failing = false;
    while (!stopping_) {
        provider_->begin_refresh();
        wake_.reset();  // what woke us is being done
        auto found = co_await read();
        if (stopping_) break;
        const bool good = found.has_value();
        if (tell_ && good == failing) {
            const std::string who = "token provider " + provider_->name();
            tell_(good ? who + ": its keys can be read again" : who + ": " + found.error().message);
        }
        failing = !good;
        if (good) tell_left_out(found->keys.left_out());
        provider_->end_refresh(std::move(found));
        if (answered_) answered_();
        duration wait = pause;
        if (good) {
            pause = first_pause;
            const auto whole = provider_->settings().refresh;
            wait = whole - std::chrono::duration_cast<duration>(whole * (0.2 * random_.unit()));
        } else {
            pause = std::min<duration>(pause * 2, longest_pause);
        }
        co_await net::sleep_until(l, clock::now() + wait, &wake_);
    }
}

void key_keeper::tell_left_out(const key_set::passed_over& now) {
    if (now == std::exchange(left_out_, now) || !tell_) return;
    const std::string who = "token provider " + provider_->name() + ": ";
    if (now.unfit != 0)
        tell_(who + std::to_string(now.unfit) + " of its keys may not be used; of the first, " +
              std::string(now.why));
    if (now.more != 0)
        tell_(who + "it publishes " + std::to_string(now.more) + " keys more than the " +
              std::to_string(key_set::most_keys) + " that are kept; tokens that they signed are refused");
}

net::task<result<provider_keys>> key_keeper::read() {
    const auto& s = provider_->settings();
    const std::string root = s.tenant.empty() ? without_slash(s.issuer) : without_slash(s.authority) + "/" + s.tenant;
    const std::string well_known = "/.well-known/openid-configuration";
    const auto main = co_await discover(root + (s.tenant.empty() ? "" : "/v2.0") + well_known);
    if (!main) co_return main.error();
    provider_keys out;
    out.issuers.push_back(main->issuer);
    if (!s.tenant.empty()) {
        // Tokens of the first form have an issuer of their own. A tenant without that document has none of them.
        const auto old = co_await discover(root + well_known);
        if (old && old->issuer != main->issuer) out.issuers.push_back(old->issuer);
        const auto known = provider_->keys();
        if (!old && known) out.issuers = known->issuers;
        else if (!old && old.error().code != no_document) co_return old.error();
    }
    const auto keys = co_await document(main->keys_url);
    if (!keys) co_return keys.error();
    auto parsed = key_set::parse(*keys);
    if (!parsed) co_return unusable(main->keys_url + ": " + parsed.error().message);
    out.keys = std::move(*parsed);
    co_return result<provider_keys>(std::move(out));
}

net::task<result<discovery>> key_keeper::discover(std::string url) {
    const auto text = co_await document(url);
    if (!text) co_return text.error();
    auto found = read_discovery(*text, provider_->settings());
    if (!found) co_return unusable(url + " " + found.error().message);
    co_return found;
}

net::task<result<std::string>> key_keeper::document(std::string url) {
    net::fetch_request asked;
    asked.url = url;
    asked.tls = provider_->tls();
    auto got = co_await fetcher_.fetch(asked, &stop_);
    if (!got) co_return unusable(url + ": " + got.error().message);
    if (got->status != 200) {
        fault f = unusable(url + " answered " + std::to_string(got->status));
        if (got->status == 404) f.code = no_document;
        co_return f;
    }
    co_return result<std::string>(boost::system::in_place_value, std::move(got->body));
}

}  // namespace spillway::identity
