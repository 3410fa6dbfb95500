#include <spillway/base/percent.hpp>

#include "sources.hpp"

// An application that proves itself by a secret.
namespace spillway::credentials {
namespace {

class client_secret final : public token_source {
public:
    client_secret(token_endpoint at, secret_text secret) : at_(std::move(at)), secret_(std::move(secret)) {}

    net::task<token_answer> get(net::fetcher& by, const token_ask& asked, net::interrupt* stop) override {
        std::string proof = "&client_secret=";
        percent::append_encoded(proof, secret_.view());
        co_return co_await ask_endpoint(by, at_, asked, secret_text(std::move(proof)), stop);
    }
    std::string describe() const override { return "application " + at_.client_id + " of " + at_.tenant; }

private:
    token_endpoint at_;
    secret_text secret_;
};

}  // namespace

made_source make_client_secret(const config::credential& from, const source_context& with) {
    if (!from.client_secret) return std::unique_ptr<token_source>();
    auto secret = config::resolve_line(from.client_secret->secret, with.env);
    if (!secret) return secret.error();
    secret_text kept(*secret);
    cleanse(*secret);
    auto at = make_endpoint(*from.client_secret, with);
    if (!at) return at.error();
    return std::unique_ptr<token_source>(std::make_unique<client_secret>(std::move(*at), std::move(kept)));
}

}  // namespace spillway::credentials
