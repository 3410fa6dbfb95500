#include "outbound_check.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include <spillway/base/text.hpp>

#include "issue_sink.hpp"

namespace spillway::config {
namespace {

// What stands behind the scheme, as far as a check needs it; compiling reads the URL for good.
struct url_parts {
    std::string_view host;  // with its port
    std::string_view path;  // without slashes at its end
};

std::optional<url_parts> split(std::string_view url) {
    const auto scheme = url.find("://");
    if (scheme == std::string_view::npos) return std::nullopt;
    url.remove_prefix(scheme + 3);
    const auto slash = std::min(url.find('/'), url.size());
    url_parts out{url.substr(0, slash), url.substr(slash)};
    while (out.path.ends_with('/')) out.path.remove_suffix(1);
    if (out.host.empty()) return std::nullopt;
    return out;
}

class outbound_check : tree_check {
public:
    using tree_check::tree_check;

    void run() {
        if (tree_.net.proxy && !tree_.net.proxy->none) check_proxy(*tree_.net.proxy);
        for (const auto& [name, i] : tree_.instances) check_kind("instances." + name, i);
        for (std::size_t i = 0; i < tree_.routes.size(); ++i)
            if (tree_.routes[i].passthrough) check_passthrough(child_path("routes", i), tree_.routes[i]);
    }

private:
    // No message repeats the URL: a password may stand in it.
    void check_proxy(const outbound_proxy& p) {
        const std::string path = "net.proxy";
        const auto url = split(p.url);
        if (p.url.find('@') != std::string::npos)
            error(path + ".url", "a credential stands in the URL",
                  "write user, and password as ${ENV} or file:/path");
        else if (!text::istarts_with(p.url, "http://"))
            error(path + ".url", "only proxies of the form http://host:port are spoken to",
                  "write http://: HTTPS is protected inside the tunnel anyway");
        else if (!url || !url->path.empty())
            error(path + ".url", "the URL is not of the form http://host:port", "mend it");
        if (p.user.empty() && !p.password.empty())
            error(path + ".password", "there is a password, but no user", "set user");
        if (p.user.find(':') != std::string::npos)
            error(path + ".user", "a user's name has no colon", "write the password into password");
        for (std::size_t i = 0; i < p.no_proxy.size(); ++i)
            if (p.no_proxy[i].empty() || p.no_proxy[i].find("://") != std::string::npos)
                error(child_path(path + ".no_proxy", i), "this is no host, domain, address or network",
                      "write it without http:// and path");
    }

    void check_kind(const std::string& path, const instance& i) {
        const auto url = split(i.endpoint);
        if (!url) return;  // told elsewhere
        if (i.kind == instance_kind::azure) {
            for (const auto* key : {"organization", "project"})
                if (tree_.source.has(path + "." + key))
                    error(path + "." + key, "only instances of kind openai know it", "take it out, or set kind");
            if (text::iequals(url->host.substr(0, url->host.find(':')), "api.openai.com"))
                warn(path, "this is OpenAI itself, which does not speak Azure's form of the API", "set kind: openai");
            return;
        }
        if (i.api_version)
            error(path + ".api_version", "OpenAI's own API has no api-version", "take it out, or set kind: azure");
        if (url->path.empty())
            warn(path + ".endpoint", "the endpoint has no base path, and nearly every server has one",
                 "write it as SDKs get it, such as " + i.endpoint + (i.endpoint.ends_with('/') ? "v1" : "/v1"));
        else if (url->path.ends_with("/chat/completions"))
            error(path + ".endpoint", "this is the path of one operation", "write the base path, such as /v1");
    }

    // A caller's token must go to Azure instances only.
    void check_passthrough(const std::string& path, const route& r) {
        std::vector<std::string> pools{r.pool};
        if (r.split)
            for (const auto& [name, weight] : r.split->pools) pools.push_back(name);
        for (const auto& name : pools) {
            const auto pool = tree_.pools.find(name);
            if (pool == tree_.pools.end()) continue;
            for (const auto& b : pool->second.backends) {
                const auto on = tree_.instances.find(b.instance);
                if (on == tree_.instances.end() || on->second.kind != instance_kind::openai) continue;
                error(path + ".passthrough",
                      "the caller's own token would go to instance " + b.instance + ", which is of kind openai",
                      "lead the route to a pool of Azure instances alone");
                return;
            }
        }
    }
};

}  // namespace

void check_outbound(const tree& t, std::vector<issue>& issues) { outbound_check(t, issues).run(); }

}  // namespace spillway::config
