#include "sources.hpp"

// AKS: the pod's own token, which the kubelet rotates, is exchanged for one of the application.
namespace spillway::credentials {
namespace {

class workload_identity final : public token_source {
public:
    workload_identity(token_endpoint at, std::string file) : at_(std::move(at)), file_(std::move(file)) {}

    net::task<token_answer> get(net::fetcher& by, const token_ask& asked, net::interrupt* stop) override {
        auto assertion = read_secret_file(file_);
        if (!assertion) {
            no_token out;
            out.message = assertion.error().message;
            out.unavailable = true;
            co_return token_answer(std::move(out));
        }
        if (!is_bearer_token(assertion->view())) {
            no_token out;
            out.message =
                "the file " + file_ + " holds no token; it should be one line of letters, digits, - . and _";
            co_return token_answer(std::move(out));
        }
        co_return co_await ask_with_assertion(by, at_, asked, std::move(*assertion), stop);
    }
    std::string describe() const override { return "workload identity " + at_.client_id + " of " + at_.tenant; }

private:
    token_endpoint at_;
    std::string file_;
};

}  // namespace

made_source make_workload_identity(const config::credential& from, const source_context& with) {
    if (!from.workload_identity) return std::unique_ptr<token_source>();
    const auto& w = *from.workload_identity;
    std::string file = w.token_file.empty() ? with.env("AZURE_FEDERATED_TOKEN_FILE").value_or("") : w.token_file;
    if (file.empty()) return unusable("no token file: set token_file, or AZURE_FEDERATED_TOKEN_FILE");
    auto at = make_endpoint(w, with);
    if (!at) return at.error();
    return std::unique_ptr<token_source>(std::make_unique<workload_identity>(std::move(*at), std::move(file)));
}

}  // namespace spillway::credentials
