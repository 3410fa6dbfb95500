#include "../../../../src/credentials/sources.hpp"

namespace spillway::credentials {

made_source make_token_file(const config::credential& from, const source_context& with);

namespace {

// A token that another program keeps fresh in a file.
class token_file final : public token_source {
public:
    explicit token_file(std::string path) : path_(std::move(path)) {}

    net::task<token_answer> get(net::fetcher&, const token_ask&, net::interrupt*) override {
        auto token = read_secret_file(path_);
        if (!token || !is_bearer_token(token->view())) {
            no_token refused;
            refused.message = token ? "the file " + path_ + " holds no token" : token.error().message;
            refused.unavailable = !token;
            co_return token_answer(std::move(refused));
        }
        got_token got;
        got.token = std::move(*token);
        got.times.got = clock::now();
        got.times.expires = got.times.got + minutes(5);
        co_return token_answer(std::move(got));
    }
    std::string describe() const override { return "token in " + path_; }

private:
    std::string path_;
};

}  // namespace

made_source make_token_file(const config::credential& from, const source_context&) {
    const auto* mine = settings_of(from, "token_file");
    if (mine == nullptr) return std::unique_ptr<token_source>();
    auto path = setting_of(*mine, "path");
    if (!path) return path.error();
    return std::unique_ptr<token_source>(std::make_unique<token_file>(std::move(*path)));
}

}  // namespace spillway::credentials
