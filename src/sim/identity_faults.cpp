#include "identity_faults.hpp"

#include <algorithm>
#include <array>

namespace spillway::sim {
namespace {

constexpr std::array<std::string_view, identity_endpoints> names{"metadata", "keys",        "token",
                                                                 "imds",     "app_service", "other"};

}  // namespace

std::string_view name_of(identity_endpoint e) noexcept { return names[static_cast<std::size_t>(e)]; }

answer identity_fault::as_answer() const {
    answer out;
    out.status = status;
    out.headers = headers;
    const json usual{{"error", status >= 500 ? "server_error" : "invalid_request"},
                     {"error_description", "The simulator was asked to answer so."}};
    out.pieces.push_back({body.empty() ? to_text(usual) : body, 0});
    return out;
}

identity_fault read_identity_fault(const json& from, problems& out) {
    identity_fault f;
    settings_reader in(from, {}, out);
    std::string where;
    in.text("endpoint", where);
    const auto at = std::find(names.begin(), names.end(), where);
    if (at == names.end() || where == name_of(identity_endpoint::unknown))
        in.problem("endpoint", "has to be metadata, keys, token, imds or app_service");
    else f.at = static_cast<identity_endpoint>(at - names.begin());
    std::uint64_t status = 0;
    in.count("status", status);
    if (status != 0 && (status < 200 || status > 599)) in.problem("status", "has to be from 200 to 599");
    else f.status = static_cast<int>(status);
    if (const json* body = in.raw("body"); body != nullptr)
        f.body = body->is_string() ? body->get<std::string>() : to_text(*body);
    in.texts("headers", f.headers);
    in.count("times", f.times);
    in.flag("hang", f.hang);
    in.time("delay", f.delay);
    if (status == 0 && (!f.body.empty() || !f.headers.empty()))
        in.problem("status", "is needed for a body or headers");
    if (status == 0 && !f.hang && f.delay == duration::zero())
        in.problem("endpoint", "a fault has a status, a delay or hang: true");
    in.finish();
    return f;
}

json to_json(const identity_fault& f) {
    json out{{"endpoint", name_of(f.at)}};
    if (f.status != 0) out["status"] = f.status;
    if (f.times != 0) out["times"] = f.times;
    if (f.hang) out["hang"] = true;
    if (f.delay != duration::zero())
        out["delay"] = std::to_string(std::chrono::duration_cast<milliseconds>(f.delay).count()) + "ms";
    return out;
}

std::optional<identity_fault> identity_fault_list::take(identity_endpoint at) {
    const auto found = std::find_if(faults_.begin(), faults_.end(), [at](const auto& f) { return f.at == at; });
    if (found == faults_.end()) return std::nullopt;
    identity_fault out = *found;
    if (found->times != 0 && --found->times == 0) faults_.erase(found);
    return out;
}

json identity_fault_list::to_json() const {
    json out = json::array();
    for (const auto& f : faults_) out.push_back(sim::to_json(f));
    return out;
}

}  // namespace spillway::sim
