#include <spillway/net/dns.hpp>

#include <algorithm>

namespace spillway::net {
namespace {

constexpr std::size_t most_servers = 8;
constexpr std::uint16_t dns_port = 53;

}  // namespace

result<dns_settings> read_dns(const std::vector<std::string>& servers) {
    dns_settings out;
    if (servers.size() > most_servers)
        return fault{.code = "BadAddress", .message = "more than " + std::to_string(most_servers) + " name servers"};
    for (const auto& s : servers) {
        const auto colons = std::count(s.begin(), s.end(), ':');
        const bool bare_v6 = colons > 1 && !s.starts_with('[');
        const bool has_port = !bare_v6 && (s.starts_with('[') ? !s.ends_with(']') : colons == 1);
        auto at = address::parse(has_port  ? s
                                 : bare_v6 ? "[" + s + "]:" + std::to_string(dns_port)
                                           : s + ":" + std::to_string(dns_port));
        if (!at) return at.error();
        if (at->port() == 0 || s.empty() || s.starts_with(':') || s.starts_with('*'))
            return fault{.code = "BadAddress", .message = "'" + s + "' is no address of a name server"};
        out.servers.push_back(*at);
    }
    return out;
}

}  // namespace spillway::net
