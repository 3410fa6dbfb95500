#include <spillway/server/preflight.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <map>

#include <spillway/base/text.hpp>
#include <spillway/net/address.hpp>
#include <spillway/server/log_writer.hpp>
#include <spillway/server/process.hpp>

namespace spillway::server {
namespace {

class looking {
public:
    looking(const config::tree& t, std::vector<config::issue>& out) : tree_(t), issues_(out) {}

    void addresses() {
        // What is no address is told where listeners are made.
        for (const auto& [name, l] : tree_.listeners)
            if (net::address::parse(l.address)) address("listeners." + name + ".address", l.address);
        address("admin.address", tree_.admin.address);
    }

    void access_log(file_rule files) {
        const auto& file = tree_.log.access.file;
        struct stat about {};
        const bool there = ::stat(file.c_str(), &about) == 0;
        if (file.empty() || (files == file_rule::if_there && !there)) return;
        if (const auto f = access_log::trouble_with(file))
            say(config::severity::error, "log.access.file", f->message, "choose another file");
    }

    void descriptors() {
        const auto have = descriptor_limit();
        std::size_t wanted = 0;
        const std::string* largest = nullptr;
        std::size_t most = 0;
        for (const auto& [name, l] : tree_.listeners) {
            wanted += l.limits.connections;
            if (l.limits.connections > most) largest = &name;
            most = std::max<std::size_t>(most, l.limits.connections);
        }
        const auto granted = most_connections(have);
        if (largest == nullptr || wanted <= granted) return;
        say(config::severity::warning, "listeners." + *largest + ".limits.connections",
            "the process may have " + std::to_string(have) + " descriptors, enough for about " +
                std::to_string(granted) + " connections of clients instead of " + std::to_string(wanted),
            "raise the hard limit (LimitNOFILE=, ulimit -Hn), or lower limits.connections");
    }

private:
    void say(config::severity level, const std::string& path, std::string what, std::string remedy) {
        issues_.push_back(tree_.source.make(level, path, std::move(what), std::move(remedy)));
    }

    // Written in two ways it is still one address: localhost:80, 127.0.0.1:80.
    void address(const std::string& path, const std::string& text) {
        const auto at = net::address::parse(text);
        if (!at) return say(config::severity::error, path, at.error().message, "");
        if (at->port() == 0)
            return say(config::severity::error, path, "port 0 would be another one at each start",
                       "write a port from 1 to 65535");
        const auto [other, fresh] = taken_.emplace(at->to_string(), std::pair(path, text));
        if (!fresh && other->second.second != text)
            say(config::severity::error, path, "the address is the same as that of " + other->second.first,
                "give each its own");
    }

    const config::tree& tree_;
    std::vector<config::issue>& issues_;
    std::map<std::string, std::pair<std::string, std::string>> taken_;
};

}  // namespace

void preflight(const config::tree& t, file_rule files, std::vector<config::issue>& issues) {
    looking l(t, issues);
    l.addresses();
    l.access_log(files);
    l.descriptors();
}

}  // namespace spillway::server
