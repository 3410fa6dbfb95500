#include <algorithm>

#include <spillway/server/status.hpp>

namespace spillway::server {
namespace {

void ledger_lines(const ledger::report& r, std::vector<std::string>& out) {
    if (!r.store_up)
        out.push_back("usage: the store is away; " + std::to_string(r.waiting) + " records wait in the spool");
    if (r.spool_full) out.emplace_back("usage: the spool is full; records are being lost");
    if (r.aside.records != 0)
        out.push_back("usage: " + std::to_string(r.aside.records) +
                      " records were refused by the store and are set aside; see `spillway usage offer-again`");
    if (r.lost != 0) out.push_back("usage: " + std::to_string(r.lost) + " records were lost");
}

void identity_lines(const state& s, std::vector<std::string>& out) {
    const auto tokens = s.identities().tokens();
    const auto without = std::count_if(tokens.begin(), tokens.end(), [](const auto& t) { return !t.usable; });
    if (without != 0) out.push_back("credentials: " + std::to_string(without) + " have no valid token");
    const auto providers = s.identities().providers();
    const auto keyless = std::count_if(providers.begin(), providers.end(), [](const auto& p) { return p.keys == 0; });
    if (keyless != 0) out.push_back("token providers: " + std::to_string(keyless) + " have no keys");
    const auto crowded =
        std::count_if(providers.begin(), providers.end(), [](const auto& p) { return p.left_out.more != 0; });
    if (crowded != 0)
        out.push_back("token providers: " + std::to_string(crowded) + " publish more keys than are kept");
}

// A failure or two may be a lost packet, unless there is no address to go on with.
void name_lines(const state& s, std::vector<std::string>& out) {
    constexpr std::uint32_t many = 3;
    for (const auto& n : s.names())
        if (n.failures_in_a_row >= many || (n.failures_in_a_row != 0 && n.addresses.empty()))
            out.push_back("names: " + n.host + " does not resolve (" + n.last_error + ")" +
                          (n.addresses.empty() ? "" : "; its last addresses serve on"));
}

}  // namespace

std::vector<std::string> attention(const state& s) {
    std::vector<std::string> out;
    if (const auto* l = s.usage_ledger()) ledger_lines(l->report(), out);
    if (const auto* q = s.quota_store(); q != nullptr && !q->look().up)
        out.emplace_back("quotas: the shared store is away; local shares decide");
    if (const auto* q = s.quota_store()) {
        const auto all = q->holders(clock::now(), wall_clock::now());
        const auto alone = std::count_if(all.begin(), all.end(), [](const auto& h) { return h.alone; });
        if (alone != 0)
            out.push_back("quotas: the shared store cannot keep " + std::to_string(alone) +
                          (alone == 1 ? " holder" : " holders") + "; local shares decide for them");
    }
    if (const auto* t = s.trace_exporter(); t != nullptr && !t->look().last_error.empty())
        out.emplace_back("traces: the collector does not take spans");
    identity_lines(s, out);
    name_lines(s, out);
    if (s.reloads().last_bad > s.reloads().last_good)
        out.emplace_back("configuration: the last reload was refused; the one before it runs");
    return out;
}

}  // namespace spillway::server
