#include <spillway/server/cores.hpp>

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <string>

#include <spillway/base/text.hpp>

namespace spillway::server {
namespace {

std::string first_line(const std::string& path) {
    std::ifstream in(path);
    std::string line;
    std::getline(in, line);
    return line;
}

// The process's own group in the unified hierarchy; "/" when it cannot be told.
std::string own_group() {
    std::ifstream in("/proc/self/cgroup");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("0::")) return line.substr(3);
    return "/";
}

}  // namespace

unsigned cores_of_quota(std::string_view cpu_max, unsigned available) noexcept {
    const auto blank = cpu_max.find(' ');
    if (blank == std::string_view::npos) return available;
    const auto quota = text::parse_unsigned(cpu_max.substr(0, blank));
    const auto period = text::parse_unsigned(text::trim(cpu_max.substr(blank + 1)));
    if (!quota || !period || *period == 0) return available;
    const auto cores = (*quota + *period - 1) / *period;
    return static_cast<unsigned>(std::clamp<std::uint64_t>(cores, 1, std::max(1U, available)));
}

unsigned granted_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    unsigned cores = 1;
    if (::sched_getaffinity(0, sizeof set, &set) == 0) cores = std::max(1U, static_cast<unsigned>(CPU_COUNT(&set)));
    // A quota may stand at any level above the process.
    for (std::string group = own_group();;) {
        cores = cores_of_quota(first_line("/sys/fs/cgroup" + group + "/cpu.max"), cores);
        const auto cut = group.rfind('/');
        if (cut == std::string::npos || group.empty()) break;
        group.resize(cut);
    }
    const auto quota = first_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    if (!quota.empty())
        cores = cores_of_quota(quota + " " + first_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us"), cores);
    return cores;
}

}  // namespace spillway::server
