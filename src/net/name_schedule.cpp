#include <spillway/net/name_schedule.hpp>

#include <algorithm>

namespace spillway::net {
namespace {

// Half as long is left to chance, so that gateways and names do not come back together.
duration pause_after(std::uint32_t failures, duration refresh, double chance) {
    const duration longest = std::min(refresh, name_schedule::longest_pause);
    const duration full = std::min(longest, name_schedule::first_pause * (1 << std::min(failures - 1, 10U)));
    return full - std::chrono::duration_cast<duration>(full / 4 * chance);
}

}  // namespace

void name_schedule::watch(const std::map<std::string, duration>& refresh_by_host, time_point now) {
    std::erase_if(hosts_, [&](const auto& h) { return !refresh_by_host.contains(h.first); });
    for (const auto& [host, refresh] : refresh_by_host) {
        const auto [at, fresh] = hosts_.try_emplace(host);
        auto& e = at->second;
        if (fresh) e.due = now;
        else if (refresh < e.refresh) e.due = std::min(e.due, now + refresh);
        e.refresh = refresh;
    }
}

void name_schedule::ask_failed_again(time_point now) {
    for (auto& [host, e] : hosts_) {
        e.under_way = false;
        if (!e.known || e.failures != 0) e.due = std::min(e.due, now);
    }
}

name_schedule::room name_schedule::room_at(time_point now) const {
    std::size_t all = 0, prompt = 0, sick = 0, prompt_sick = 0;
    room out;
    for (const auto& [host, e] : hosts_) {
        if (!e.under_way) continue;
        const bool is_prompt = now < e.asked_at + slow_after;
        ++all;
        if (is_prompt) {
            ++prompt;
            out.more_at = std::min(out.more_at, e.asked_at + slow_after);
        }
        if (e.failures == 0) continue;
        ++sick;
        if (is_prompt) ++prompt_sick;
    }
    out.any = all < most_at_once && prompt < most_prompt;
    out.sick = out.any && sick < most_sick && prompt_sick < most_prompt_sick;
    return out;
}

std::optional<std::string> name_schedule::next(time_point now) {
    const room r = room_at(now);
    if (!r.any) return std::nullopt;
    std::pair<const std::string, entry>* first = nullptr;
    for (auto& h : hosts_) {
        const entry& e = h.second;
        if (e.under_way || e.due > now || (e.failures != 0 && !r.sick)) continue;
        if (first == nullptr || e.due < first->second.due) first = &h;
    }
    if (first == nullptr) return std::nullopt;
    first->second.under_way = true;
    first->second.asked_at = now;
    return first->first;
}

bool name_schedule::under_way(const std::string& host) const {
    const auto at = hosts_.find(host);
    return at != hosts_.end() && at->second.under_way;
}

time_point name_schedule::wake(time_point now) const {
    const room r = room_at(now);
    time_point out = time_point::max();
    for (const auto& [host, e] : hosts_) {
        if (e.under_way) continue;
        const bool may = e.failures != 0 ? r.sick : r.any;
        out = std::min(out, may ? e.due : std::max(e.due, r.more_at));
    }
    return out;
}

bool name_schedule::finish(const std::string& host, name_answer answer, time_point now, double chance) {
    const auto at = hosts_.find(host);
    if (at == hosts_.end()) return false;
    entry& e = at->second;
    e.under_way = false;
    e.why = std::move(answer.why);
    auto& found = answer.addresses;
    if (answer.what != name_answer::kind::found || found.empty()) {
        e.failures = std::min(e.failures + 1, 1'000'000U);
        e.due = now + pause_after(e.failures, e.refresh, chance);
        return !std::exchange(e.known, true);  // known addresses stay
    }
    e.failures = 0;
    e.why.clear();
    e.due = now + std::clamp(answer.ttl.value_or(e.refresh), std::min(e.refresh, shortest), e.refresh);
    const bool same = std::is_permutation(found.begin(), found.end(), e.last.begin(), e.last.end());
    if (std::exchange(e.known, true) && same) return false;
    e.last = std::move(found);
    return true;
}

std::optional<address_list> name_schedule::addresses(const std::string& host) const {
    const auto at = hosts_.find(host);
    if (at == hosts_.end() || !at->second.known) return std::nullopt;
    return at->second.last;
}

std::vector<name_report> name_schedule::report(time_point now) const {
    std::vector<name_report> out;
    for (const auto& [host, e] : hosts_) {
        name_report r{.host = host, .addresses = {}, .failures_in_a_row = e.failures, .last_error = e.why};
        for (const auto& a : e.last) r.addresses.push_back(a.ip());
        if (!e.under_way) r.next_in = std::max(duration::zero(), e.due - now);
        out.push_back(std::move(r));
    }
    return out;
}

}  // namespace spillway::net
