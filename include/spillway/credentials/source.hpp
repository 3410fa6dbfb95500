#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <spillway/config/credential.hpp>
#include <spillway/core/token_plan.hpp>
#include <spillway/net/fetch.hpp>

namespace spillway::credentials {

struct got_token {
    secret_text token;
    core::token_times times;
};

// Why there is no token. `message` never holds a secret.
struct no_token {
    core::token_refusal how;
    std::string message;
    bool unavailable{false};  // the source does not exist here; the next one of a chain is asked
};

using token_answer = std::variant<got_token, no_token>;

struct token_ask {
    std::string scope;   // https://.../.default
    std::string claims;  // of a claims challenge; empty: none
};

// A place where the gateway gets tokens: one file each. Sources run on the identity thread's loop.
class token_source {
public:
    token_source() = default;
    token_source(const token_source&) = delete;
    token_source& operator=(const token_source&) = delete;
    virtual ~token_source() = default;

    virtual net::task<token_answer> get(net::fetcher& by, const token_ask& asked, net::interrupt* stop) = 0;
    // For logs and status: what it is and for whom, no secret.
    virtual std::string describe() const = 0;
};

// What sources need besides their settings. Main thread: files may be read.
struct source_context {
    const config::environment& env;
    // TLS contexts by CA file; empty: the system's.
    std::function<result<net::ssl_ctx_ptr>(const std::string& ca_file)> tls;
    // Other credentials, for a chain.
    std::function<const config::credential*(const std::string& name)> find;
};

using made_source = result<std::unique_ptr<token_source>>;

// One kind of source. `make` answers null when the credential is of another kind.
struct source_kind {
    std::string_view name;  // the key in the configuration
    made_source (*make)(const config::credential& from, const source_context& with);
};

// All kinds, as src/credentials/source_kinds.inc lists them.
const std::vector<source_kind>& source_kinds();

// The source of a credential that gives tokens; null for an API key. Faults: `CredentialUnusable` says what is
// missing.
made_source make_source(const config::credential& from, const source_context& with);

}  // namespace spillway::credentials
