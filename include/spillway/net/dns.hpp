#pragma once

#include <string>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/net/address.hpp>

namespace spillway::net {

// Which name servers are asked.
struct dns_settings {
    std::vector<address> servers;  // none: those of resolv.conf
    friend bool operator==(const dns_settings&, const dns_settings&) = default;
};
// "10.0.0.10", "10.0.0.10:5353", "[2001:db8::53]:53": at most eight, port 53 unless told. Fault: `BadAddress`.
result<dns_settings> read_dns(const std::vector<std::string>& servers);

}  // namespace spillway::net
