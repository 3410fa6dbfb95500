#include "control.hpp"

#include <algorithm>
#include <cstdio>

#include <spillway/base/text.hpp>

#include "identity_control.hpp"

namespace spillway::sim {

void control::check_names(const fault_rule& r, const std::string& path, problems& out) const {
    bool instance_found = r.instance.empty(), deployment_found = r.deployment.empty();
    for (const auto& i : all_.instances) {
        if (!r.instance.empty() && i->options().name != r.instance) continue;
        instance_found = true;
        for (const auto& d : i->options().deployments) deployment_found = deployment_found || d.name == r.deployment;
    }
    if (!instance_found) out.add(path + "instance", "there is no instance " + r.instance);
    else if (!deployment_found) out.add(path + "deployment", "there is no deployment " + r.deployment);
}

answer control::add_faults(const request& r) {
    const json body = json::parse(r.body, nullptr, false);
    if (!body.is_object() && !body.is_array())
        return error_answer(400, "InvalidFault", "the body has to be a fault or a list of faults, as JSON");
    const json list = body.is_array() ? body : json::array({body});
    problems found;
    std::vector<fault_rule> rules;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const std::string path = body.is_array() ? "[" + std::to_string(i) + "]" : "";
        rules.push_back(read_fault(list[i], path, found));
        check_names(rules.back(), path.empty() ? path : path + ".", found);
    }
    if (!found.found.empty()) return error_answer(400, "InvalidFault", found.as_fault({}).message);
    json ids = json::array();
    for (auto& rule : rules) ids.push_back(all_.faults.add(std::move(rule)));
    faults_changed_();
    return answer::of(201, {{"ids", std::move(ids)}});
}

answer control::remove_faults(const request& r) {
    constexpr std::string_view one = "/faults/";
    if (r.path == "/faults") {
        all_.faults.clear();
    } else {
        const auto id = text::parse_unsigned(std::string_view(r.path).substr(one.size()));
        if (!id || !all_.faults.remove(*id)) return error_answer(404, "NoSuchFault", "there is no fault of that id");
    }
    faults_changed_();
    return answer::of(200, {{"status", "ok"}});
}

answer control::usage(const request& r) const {
    constexpr std::uint64_t usual = 10'000, most = 20'000;  // a page is made in one go, which blocks the loop
    if (r.path == "/usage/totals") return answer::of(200, all_.journal.to_json());
    const auto number = [&r](std::string_view name, std::uint64_t otherwise) {
        const std::string_view given = r.parameter(name);
        return given.empty() ? std::optional(otherwise) : text::parse_unsigned(given);
    };
    const auto since = number("since", 0), limit = number("limit", usual);
    if (!since || !limit || *limit < 1 || *limit > most)
        return error_answer(400, "InvalidRange", "since is a whole number, limit one from 1 to 20000");
    answer out;
    out.content_type = "application/x-ndjson";
    out.pieces.push_back({all_.journal.lines(*since, *limit), 0});
    return out;
}

answer control::handle(const request& r) {
    if (r.path == "/identity" || r.path.starts_with("/identity/")) return control_identity(all_, r);
    if (r.method == "GET") {
        if (r.path == "/health") return answer::of(200, {{"status", "ok"}});
        if (r.path == "/state") return answer::of(200, all_.state());
        if (r.path == "/faults") return answer::of(200, all_.state()["faults"]);
        if (r.path == "/usage" || r.path == "/usage/totals") return usage(r);
        if (r.path == "/requests") {
            json all = json::array();
            for (const auto& entry : all_.history) all.push_back(entry.to_json());
            return answer::of(200, all);
        }
    }
    if (r.method == "POST" && r.path == "/faults") return add_faults(r);
    if (r.method == "DELETE" && (r.path == "/faults" || r.path.starts_with("/faults/"))) return remove_faults(r);
    if (r.method == "DELETE" && r.path == "/usage") {
        all_.journal.clear();
        return answer::of(200, {{"status", "ok"}});
    }
    if (r.method == "POST" && r.path == "/reset") {
        all_.clear_counters();
        return answer::of(200, {{"status", "ok"}});
    }
    return error_answer(404, "NotFound",
                        "the control endpoint knows GET /health /state /requests /usage[/totals] /faults /identity, "
                        "POST /faults /reset, DELETE /faults[/ID] /usage and what is below /identity");
}

result<net::address> control_server::open(const std::string& address) {
    const auto at = net::address::parse(address);
    if (!at) return at.error();
    const auto fd = net::listen_on(*at, false);
    if (!fd) return fd.error();
    accepting_ = std::make_unique<net::acceptor>(all_.loop, *fd, [this](int connected, const net::address&) {
        net::spawn(serve(connected), [](const std::exception_ptr& e) {
            if (e) std::fputs("spillway-sim: a control connection ended by an unexpected failure\n", stderr);
        });
    });
    return net::local_address(*fd);
}

net::task<> control_server::serve(int fd) {
    net::stream io(all_.loop);
    io.open(fd);
    request_reader reader(io, all_.slabs);
    for (bool more = true; more;) {
        request r;
        const request_end end = co_await reader.read(r, clock::now() + minutes(10), nullptr);
        if (end != request_end::complete && end != request_end::refused) co_return;
        const bool refused = end == request_end::refused;
        const answer a =
            refused ? error_answer(reader.refusal_status(), "BadRequest", reader.refusal()) : control_.handle(r);
        more = !refused && r.keep_alive;
        const std::string& body = a.pieces.front().bytes;
        header_list headers{{"Content-Type", a.content_type}, {"Content-Length", std::to_string(body.size())}};
        if (!more) headers.emplace_back("Connection", "close");
        const std::string whole = head_text(a.status, headers) + body;
        const net::io_result w = co_await io.write_all(whole, clock::now() + minutes(1));
        if (!w.ok()) co_return;
    }
}

}  // namespace spillway::sim
