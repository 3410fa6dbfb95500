#pragma once

#include <map>
#include <string>

#include <spillway/config/validate.hpp>

namespace spillway::config {

inline constexpr std::string_view test_operations[] = {"chat", "embeddings", "responses"};
inline constexpr std::string_view test_groups[] = {"stateless", "objects"};
inline constexpr std::string_view test_balancers[] = {"weighted_random", "round_robin"};

inline constexpr store_form test_stores[] = {{"sqlite:", "sqlite:/path", false},
                                             {"postgresql://", "postgresql://user@host/database", true}};
inline constexpr known_names test_names{test_operations, test_groups, test_balancers, test_stores};

inline environment table(std::map<std::string, std::string, std::less<>> values) {
    return [values = std::move(values)](std::string_view name) -> std::optional<std::string> {
        const auto at = values.find(name);
        if (at == values.end()) return std::nullopt;
        return at->second;
    };
}

inline check_result check(std::string_view text, const environment& env = table({})) {
    return check_text(text, "f.yaml", test_names, env);
}

// Every issue in one text, a line each; "" when there is none.
inline std::string told(const check_result& r) {
    std::string out;
    for (const auto& i : r ? r->warnings : r.error()) out += format(i) + "\n";
    return out;
}

// A good configuration; tests change one thing of it.
inline std::string good() {
    return R"(version: 1
listeners:
  public: { address: 127.0.0.1:8443 }
credentials:
  key: { api_key: "${KEY}" }
instances:
  a: { endpoint: https://a.example, region: westeurope, geography: eu, subscription: s1, credential: key }
  b: { endpoint: https://b.example, region: swedencentral, geography: eu, subscription: s2, credential: key }
pools:
  p:
    model: gpt-4o
    version: "2024-11-20"
    backends:
      - { instance: a, deployment: d1, type: provisioned }
      - { instance: b, deployment: d2, priority: 2 }
clients:
  shop: { keys: ["sha256:0000000000000000000000000000000000000000000000000000000000000001"], groups: [g] }
routes:
  - { clients: [shop], deployment: gpt-4o, pool: p }
)";
}

inline std::string with(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    if (at == std::string::npos) throw std::logic_error("not in the text: " + from);
    return text.replace(at, from.size(), to);
}

inline const environment& usual() {
    static const environment env = table({{"KEY", "topsecret"}});
    return env;
}

}  // namespace spillway::config
