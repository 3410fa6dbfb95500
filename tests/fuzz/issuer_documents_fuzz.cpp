// What a token issuer publishes: its discovery document decides whom the gateway asks, its keys decide who is
// believed.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <spillway/base/base64.hpp>
#include <spillway/base/text.hpp>
#include <spillway/http/endpoint_url.hpp>
#include <spillway/identity/discovery.hpp>
#include <spillway/identity/json_web_token.hpp>

using namespace spillway;

namespace {

void require(bool what) {
    if (!what) std::abort();
}

void try_discovery(const std::string& text, const config::token_provider& of, std::string_view host) {
    const auto found = identity::read_discovery(text, of);
    if (!found) return require(!found.error().message.empty());
    const auto& url = found->keys_url;
    for (const char c : url) require(c > 0x20 && c < 0x7F && c != '#' && c != '\\');
    require(found->issuer == of.issuer && (of.insecure || text::istarts_with(url, "https://")));
    const auto at = http::parse_endpoint_url(url.substr(0, url.find('?')));
    require(at.has_value() && at->port != 0);
    const bool listed = text::iequals(at->host, "keys.example") && at->port == 8443;
    require((text::iequals(at->host, host) && at->port == (of.insecure ? 80 : 443)) || listed);
}

void try_keys(const std::string& text) {
    const auto keys = identity::key_set::parse(text);
    if (!keys) return require(!keys.error().message.empty());
    require(keys->size() > 0 && keys->size() <= identity::key_set::most_keys && keys->ids().size() == keys->size());
    require((keys->left_out().unfit == 0) == keys->left_out().why.empty());
    // id|n.e, where n and e are base64url of the shortest form.
    for (const auto& one : keys->ids()) {
        const auto dot = one.rfind('.'), bar = one.rfind('|');
        require(dot != std::string::npos && bar != std::string::npos && bar > 0 && bar < dot);
        const auto n = text::from_base64url(std::string_view(one).substr(bar + 1, dot - bar - 1));
        const auto e = text::from_base64url(std::string_view(one).substr(dot + 1));
        require(n && e && n->front() != 0 && e->front() != 0);
        require(n->size() >= 256 && n->size() <= 1024 && (n->back() & 1) != 0 &&
                (n->size() > 256 || (n->front() & 0x80) != 0));
        std::uint64_t exponent = 0;
        require(e->size() <= sizeof exponent);
        for (const char c : *e) exponent = exponent << 8 | static_cast<unsigned char>(c);
        require(exponent >= 65537 && (exponent & 1) != 0);
        require(keys->has(one.substr(0, bar)));
    }
}

config::token_provider provider(const char* issuer, bool insecure) {
    config::token_provider out;
    out.issuer = issuer;
    out.insecure = insecure;
    out.jwks_hosts = {"keys.example:8443"};
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    static const auto secure = provider("https://id.example", false), plain = provider("http://id.example", true);
    switch (data[0]) {
        case 'd': try_discovery(text, secure, "id.example"); break;
        case 'i': try_discovery(text, plain, "id.example"); break;
        // The address alone, for a fuzzer that does not find its way through JSON.
        case 'u': {
            std::string escaped;
            for (const char c : text) {
                if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\') continue;
                escaped += c;
            }
            try_discovery(R"({"issuer":"https://id.example","jwks_uri":")" + escaped + "\"}", secure, "id.example");
            break;
        }
        default: try_keys(text);
    }
    return 0;
}
