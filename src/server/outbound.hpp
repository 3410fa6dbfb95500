#pragma once

#include <functional>
#include <string>

#include <spillway/config/tree.hpp>
#include <spillway/http/endpoint_url.hpp>
#include <spillway/net/upstream.hpp>

// How a configuration and the environment say which way leads out.
namespace spillway::server {

using secret_reader = std::function<result<std::string>(const config::secret_ref&)>;

// `net.proxy`, else HTTPS_PROXY, HTTP_PROXY and NO_PROXY; of each the spelling in small letters counts first. Faults
// name the key or the variable and never hold a URL, which may have a password in it.
result<net::proxy_rules> outbound_rules(const config::outbound& from, const config::environment& env,
                                        const secret_reader& read);

// The proxy of an instance whose connections go to `to`; none when either its name or its address is reached
// directly.
net::proxy_server proxy_for(const net::proxy_rules& rules, const config::instance& of, const http::endpoint_url& url,
                            const net::endpoint& to);

}  // namespace spillway::server
