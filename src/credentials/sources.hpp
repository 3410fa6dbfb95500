#pragma once

#include <spillway/credentials/source.hpp>

// What the sources share.
namespace spillway::credentials {

#define SPILLWAY_TOKEN_SOURCE(name) \
    made_source make_##name(const config::credential& from, const source_context& with);
#include "source_kinds.inc"
#undef SPILLWAY_TOKEN_SOURCE

// What the file says of a source that is written as `source: {kind: ...}`; null when it is another kind.
const config::other_source* settings_of(const config::credential& from, std::string_view kind) noexcept;
// A setting or secret of it, as it is now. The fault names what is missing.
result<std::string> setting_of(const config::other_source& from, std::string_view name);
result<secret_text> secret_of(const config::other_source& from, std::string_view name);

fault unusable(std::string message);

// https://host/.default without its last part, as managed identities want it.
std::string resource_of(const std::string& scope);

// application/x-www-form-urlencoded.
void append_form(std::string& out, std::string_view name, std::string_view value);

// RFC 6750's b64token: what an Authorization field can carry behind "Bearer ". Tokens of Entra ID are of this form.
bool is_bearer_token(std::string_view s) noexcept;

// The answer of any token endpoint: access_token with expires_in (number or text), else expires_on (seconds since
// 1970, or a date), and refresh_in; or an OAuth error.
token_answer read_token_answer(const net::fetched& from, std::string_view who);
token_answer failed_fetch(const fault& f, std::string_view who);

// A file of a moment ago: federated tokens and certificates rotate.
result<secret_text> read_secret_file(const std::string& path);

// Where an application asks for tokens.
struct token_endpoint {
    std::string url;  // {authority}/{tenant}/oauth2/v2.0/token
    std::string client_id, tenant;
    net::ssl_ctx_ptr tls;
};
result<token_endpoint> make_endpoint(const config::application_source& from, const source_context& with);

// POSTs a client_credentials form. `proof` is the encoded secret or assertion, with its own & in front.
net::task<token_answer> ask_endpoint(net::fetcher& by, const token_endpoint& at, const token_ask& asked,
                                     secret_text proof, net::interrupt* stop);
net::task<token_answer> ask_with_assertion(net::fetcher& by, const token_endpoint& at, const token_ask& asked,
                                           secret_text assertion, net::interrupt* stop);

}  // namespace spillway::credentials
