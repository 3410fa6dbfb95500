#include "sources.hpp"

// The identity that the platform gives: by the machine's metadata service (IMDS), or by the endpoint that App
// Service, Functions and Container Apps put into the environment.
namespace spillway::credentials {
namespace {

constexpr const char* machine = "http://169.254.169.254";

class imds final : public token_source {
public:
    imds(const config::managed_identity_source& from, std::string url) : from_(from), url_(std::move(url)) {}

    net::task<token_answer> get(net::fetcher& by, const token_ask& asked, net::interrupt* stop) override {
        net::fetch_request r;
        r.direct = true;
        r.url = url_ + "/metadata/identity/oauth2/token?";
        append_form(r.url, "api-version", "2018-02-01");
        append_form(r.url, "resource", resource_of(asked.scope));
        if (!from_.client_id.empty()) append_form(r.url, "client_id", from_.client_id);
        if (!from_.object_id.empty()) append_form(r.url, "object_id", from_.object_id);
        if (!from_.resource_id.empty()) append_form(r.url, "msi_res_id", from_.resource_id);
        r.fields.emplace_back("Metadata", "true");
        // The service is on this very machine: no answer soon means that there is none.
        r.timeout = seconds(5);
        auto got = co_await by.fetch(r, stop);
        if (!got) co_return failed_fetch(got.error(), "IMDS");
        auto out = read_token_answer(*got, "IMDS");
        cleanse(got->body);
        // "Identity not found": this machine has none, which in a chain means the next one.
        if (auto* refused = std::get_if<no_token>(&out); refused != nullptr && got->status == 400)
            refused->unavailable = true;
        co_return out;
    }

    std::string describe() const override {
        const auto& id = !from_.client_id.empty()   ? from_.client_id
                         : !from_.object_id.empty() ? from_.object_id
                                                    : from_.resource_id;
        return "managed identity " + (id.empty() ? std::string("of the machine") : id) + " by IMDS";
    }

private:
    config::managed_identity_source from_;
    std::string url_;
};

class app_service final : public token_source {
public:
    app_service(const config::managed_identity_source& from, std::string url, std::string header)
        : from_(from), url_(std::move(url)), header_(std::move(header)) {}

    net::task<token_answer> get(net::fetcher& by, const token_ask& asked, net::interrupt* stop) override {
        net::fetch_request r;
        r.direct = true;
        r.url = url_ + "?";
        append_form(r.url, "api-version", "2019-08-01");
        append_form(r.url, "resource", resource_of(asked.scope));
        if (!from_.client_id.empty()) append_form(r.url, "client_id", from_.client_id);
        if (!from_.object_id.empty()) append_form(r.url, "object_id", from_.object_id);
        if (!from_.resource_id.empty()) append_form(r.url, "mi_res_id", from_.resource_id);
        r.fields.emplace_back("X-IDENTITY-HEADER", std::string(header_.view()));
        auto got = co_await by.fetch(r, stop);
        cleanse(r.fields.back().second);
        if (!got) co_return failed_fetch(got.error(), "IDENTITY_ENDPOINT");
        auto out = read_token_answer(*got, "IDENTITY_ENDPOINT");
        cleanse(got->body);
        co_return out;
    }

    std::string describe() const override {
        return "managed identity " + (from_.client_id.empty() ? std::string("of the app") : from_.client_id) +
               " by IDENTITY_ENDPOINT";
    }

private:
    config::managed_identity_source from_;
    std::string url_;
    secret_text header_;
};

}  // namespace

made_source make_managed_identity(const config::credential& from, const source_context& with) {
    if (!from.managed_identity) return std::unique_ptr<token_source>();
    const auto& m = *from.managed_identity;
    const auto endpoint = with.env("IDENTITY_ENDPOINT"), header = with.env("IDENTITY_HEADER");
    const bool is_app = m.endpoint == config::identity_endpoint::app_service ||
                        (m.endpoint == config::identity_endpoint::automatic && endpoint && header);
    if (is_app) {
        if (!header) return unusable("IDENTITY_HEADER is not set: the platform gives this app no identity");
        if (m.url.empty() && !endpoint) return unusable("IDENTITY_ENDPOINT is not set");
        return std::unique_ptr<token_source>(
            std::make_unique<app_service>(m, m.url.empty() ? *endpoint : m.url, *header));
    }
    std::string url = m.url.empty() ? with.env("AZURE_POD_IDENTITY_AUTHORITY_HOST").value_or(machine) : m.url;
    while (url.ends_with('/')) url.pop_back();
    return std::unique_ptr<token_source>(std::make_unique<imds>(m, std::move(url)));
}

}  // namespace spillway::credentials
