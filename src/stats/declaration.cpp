#include <algorithm>
#include <stdexcept>

#include "worker_metrics.hpp"

namespace spillway::stats {

std::vector<label_name> label_names(const declaration& d) {
    std::vector<label_name> out;
    for (std::string_view rest = d.labels; !rest.empty();) {
        const auto end = std::min(rest.find(' '), rest.size());
        label_name l{rest.substr(0, end), {}};
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (const auto equals = l.name.find('='); equals != std::string_view::npos) {
            l.value = l.name.substr(equals + 1);
            l.name = l.name.substr(0, equals);
        } else if (l.name.ends_with('?')) {
            l.name.remove_suffix(1);
            l.optional = true;
        }
        out.push_back(l);
    }
    return out;
}

std::vector<declaration> declarations() {
    std::vector<declaration> out;
    for (const auto& m : worker_metrics()) out.push_back(m.is);
    const auto servers = server_metric_declarations();
    out.insert(out.end(), servers.begin(), servers.end());
    return out;
}

server_metric::server_metric(std::string_view name) {
    const auto all = server_metric_declarations();
    const auto is = std::find_if(all.begin(), all.end(), [&](const declaration& d) { return d.name == name; });
    if (is == all.end()) throw std::logic_error("metric without declaration: " + std::string(name));
    labels_ = label_names(*is);
    family_ = {std::string(is->name), std::string(is->help), is->kind == metric_kind::total, {}};
}

server_metric& server_metric::add(std::initializer_list<std::string_view> label_values, double value) {
    if (label_values.size() != labels_.size())
        throw std::logic_error("metric with other labels than declared: " + family_.name);
    sample s;
    s.value = value;
    auto l = labels_.begin();
    for (const auto v : label_values) s.labels.emplace_back((l++)->name, v);
    family_.samples.push_back(std::move(s));
    return *this;
}

}  // namespace spillway::stats
