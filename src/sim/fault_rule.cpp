#include "fault_rule.hpp"

#include <algorithm>

#include "known_refusals.hpp"

namespace spillway::sim {
namespace {

void read_kind(settings_reader& in, fault_rule& r) {
    std::string name;
    in.text("fault", name);
    const auto at = std::find(fault_names.begin(), fault_names.end(), name);
    if (at != fault_names.end()) {
        r.kind = static_cast<fault_kind>(at - fault_names.begin());
        return;
    }
    std::string all;
    for (const auto n : fault_names) all += (all.empty() ? "" : ", ") + std::string(n);
    in.problem("fault", "has to be one of " + all);
}

// The words of a refusal that the field knows, as far as the rule does not give its own.
void take_known(settings_reader& in, fault_rule& r) {
    std::string name;
    in.text("like", name);
    if (name.empty()) return;
    const auto* known = find_refusal(name);
    if (known == nullptr) return in.problem("like", "has to be one of " + refusal_names());
    r.status = known->status;
    r.code = known->code;
    r.message = known->message;
    if (!known->body.empty()) r.body = known->body;
    if (!known->content_type.empty()) r.content_type = known->content_type;
}

void read_error(settings_reader& in, fault_rule& r, int least) {
    take_known(in, r);
    auto status = static_cast<std::uint64_t>(r.status);
    in.count("status", status);
    const bool named = in.has("status") || !in.has("like");
    if (named && (status < static_cast<std::uint64_t>(least) || status > 599))
        in.problem("status", "has to be from " + std::to_string(least) + " to 599");
    r.status = static_cast<int>(status);
    in.text("code", r.code);
    in.text("message", r.message);
    in.text("content_type", r.content_type);
    if (const json* body = in.raw("body"); body != nullptr)
        r.body = body->is_string() ? body->get<std::string>() : to_text(*body);
}

void read_status(settings_reader& in, fault_rule& r) {
    r.status = 0;
    read_error(in, r, 200);
    in.texts("headers", r.headers);
    in.text("retry_after", r.retry_after);
    in.text("retry_after_ms", r.retry_after_ms);
    in.text("x_ms_retry_after_ms", r.x_ms_retry_after_ms);
    in.time("retry_after_date", r.retry_after_date);
    if (!r.retry_after.empty() && r.retry_after_date != duration::zero())
        in.problem("retry_after_date", "there is one Retry-After only: take this or retry_after");
}

void read_choice(settings_reader& in, const char* key, std::string& out,
                 std::initializer_list<std::string_view> all) {
    in.text(key, out);
    if (std::find(all.begin(), all.end(), out) != all.end()) return;
    std::string words;
    for (const auto one : all) words += (words.empty() ? "" : ", ") + std::string(one);
    in.problem(key, "has to be one of " + words);
}

void read_interim(settings_reader& in, fault_rule& r) {
    r.status = 102;
    std::uint64_t status = 102;
    in.count("status", status);
    if (status < 100 || status > 199 || status == 101) in.problem("status", "has to be from 100 to 199, but not 101");
    r.status = static_cast<int>(status);
    in.count("count", r.count);
    in.time("every", r.every);
}

void read_preamble(settings_reader& in, fault_rule& r) {
    r.what = "comment";
    read_choice(in, "what", r.what, {"comment", "retry", "keepalive", "queued", "in_progress", "filter"});
    in.count("count", r.count);
    in.time("every", r.every);
    if (r.count == 0 && r.every == duration::zero()) in.problem("every", "is needed for events without end");
}

void read_drift(settings_reader& in, fault_rule& r) {
    in.text("model", r.model);
    in.text("region", r.region);
    if (r.model.empty() && r.region.empty()) in.problem("fault", "needs model, region, or both");
}

void read_place(settings_reader& in, fault_rule& r, bool required) {
    in.count("after_bytes", r.after_bytes);
    in.count("after_events", r.after_events);
    if (r.after_bytes && r.after_events) in.problem("after_events", "take this or after_bytes");
    if (required && !r.amid_body()) in.problem("fault", "needs after_events or after_bytes");
}

void read_length(settings_reader& in, fault_rule& r) {
    in.time("for", r.length);
    if (!in.has("for")) in.problem("for", "is needed: how long");
}

void read_details(settings_reader& in, fault_rule& r) {
    switch (r.kind) {
        case fault_kind::drop_idle:
        case fault_kind::delay:
        case fault_kind::silence: read_length(in, r); break;
        case fault_kind::stall:
            read_length(in, r);
            r.after_events = 1;
            in.count("after_events", r.after_events);
            break;
        case fault_kind::reset: read_place(in, r, false); break;
        case fault_kind::close:
            read_place(in, r, true);
            in.flag("notify", r.notify);
            break;
        case fault_kind::status: read_status(in, r); break;
        case fault_kind::early_refusal:
            read_status(in, r);
            r.length = seconds(30);
            in.time("for", r.length);
            in.count("bytes", r.bytes);
            break;
        case fault_kind::interim: read_interim(in, r); break;
        case fault_kind::preamble: read_preamble(in, r); break;
        case fault_kind::drift: read_drift(in, r); break;
        case fault_kind::error_event:
            read_error(in, r, 400);
            in.count("after_events", r.after_events);
            r.what = "usual";
            read_choice(in, "form", r.what, {"usual", "error", "failed", "both"});
            break;
        case fault_kind::long_line:
            in.count("bytes", r.bytes);
            if (r.bytes < 64 || r.bytes > 256 * 1024 * 1024) in.problem("bytes", "has to be from 64 to 268435456");
            break;
        case fault_kind::hang:
        case fault_kind::empty:
        case fault_kind::gzip:
        case fault_kind::connection_close:
        case fault_kind::refuse_tls:
        case fault_kind::refuse_connection: break;
    }
}

std::string in_ms(duration d) { return std::to_string(std::chrono::duration_cast<milliseconds>(d).count()) + "ms"; }

}  // namespace

bool fault_rule::streams_only() const noexcept {
    return kind == fault_kind::error_event || kind == fault_kind::long_line || kind == fault_kind::stall ||
           kind == fault_kind::preamble || after_events.has_value();
}

fault_rule read_fault(const json& node, const std::string& path, problems& out) {
    fault_rule r;
    settings_reader in(node, path, out);
    in.text("instance", r.instance);
    in.text("deployment", r.deployment);
    const auto before = out.found.size();
    read_kind(in, r);
    if (out.found.size() != before) return r;
    read_details(in, r);
    in.count("times", r.times);
    in.share("share", r.share);
    if (r.kind == fault_kind::refuse_connection && (r.times || r.share != 1))
        in.problem("fault", "refuse_connection lasts until it is cleared: times and share make no sense here");
    if (r.kind < fault_kind::delay && !r.deployment.empty())
        in.problem("deployment", "this fault is one of a connection, which belongs to the whole instance");
    in.finish();
    return r;
}

json to_json(const fault_rule& r) {
    json out;
    out["id"] = r.id;
    if (!r.instance.empty()) out["instance"] = r.instance;
    if (!r.deployment.empty()) out["deployment"] = r.deployment;
    out["fault"] = fault_names[static_cast<std::size_t>(r.kind)];
    if (r.kind == fault_kind::status || r.kind == fault_kind::error_event || r.kind == fault_kind::early_refusal ||
        r.kind == fault_kind::interim)
        out["status"] = r.status;
    if (!r.what.empty()) out[r.kind == fault_kind::preamble ? "what" : "form"] = r.what;
    if (r.kind == fault_kind::interim || r.kind == fault_kind::preamble) out["count"] = r.count;
    if (r.every != duration::zero()) out["every"] = in_ms(r.every);
    if (!r.model.empty()) out["model"] = r.model;
    if (!r.region.empty()) out["region"] = r.region;
    if (r.after_bytes) out["after_bytes"] = *r.after_bytes;
    if (r.after_events) out["after_events"] = *r.after_events;
    if (r.length != duration::zero()) out["for"] = in_ms(r.length);
    if (r.bytes != 0) out["bytes"] = r.bytes;
    if (r.times) out["times"] = *r.times;
    if (r.share != 1) out["share"] = r.share;
    out["applied"] = r.applied;
    return out;
}

const fault_rule* chosen_faults::find(fault_kind kind) const noexcept {
    for (const auto& r : rules_)
        if (r.kind == kind) return &r;
    return nullptr;
}

std::uint64_t fault_table::add(fault_rule rule) {
    rule.id = ++last_id_;
    rules_.push_back(std::move(rule));
    return last_id_;
}

bool fault_table::remove(std::uint64_t id) {
    return std::erase_if(rules_, [id](const fault_rule& r) { return r.id == id; }) != 0;
}

bool fault_table::matches(const fault_rule& r, const std::string& instance,
                          const std::string& deployment) const noexcept {
    return (r.instance.empty() || r.instance == instance) && (r.deployment.empty() || r.deployment == deployment) &&
           (!r.times || *r.times > 0);
}

void fault_table::count(fault_rule& r) noexcept {
    ++r.applied;
    if (r.times) --*r.times;
}

chosen_faults fault_table::choose(const std::string& instance, const std::string& deployment, bool streamed) {
    chosen_faults out;
    for (auto& r : rules_) {
        if (r.kind < fault_kind::delay || !matches(r, instance, deployment)) continue;
        if (r.streams_only() && !streamed) continue;
        if (out.find(r.kind) != nullptr) continue;
        if (r.share < 1 && random_.unit() >= r.share) continue;
        count(r);
        out.add(r);
    }
    return out;
}

std::optional<fault_rule> fault_table::choose_for_connection(fault_kind kind, const std::string& instance) {
    for (auto& r : rules_) {
        if (r.kind != kind || !matches(r, instance, {})) continue;
        if (r.share < 1 && random_.unit() >= r.share) continue;
        return r;
    }
    return std::nullopt;
}

void fault_table::count_applied(std::uint64_t id) noexcept {
    for (auto& r : rules_)
        if (r.id == id) count(r);
}

}  // namespace spillway::sim
