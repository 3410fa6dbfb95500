#include <algorithm>
#include <array>
#include <functional>
#include <iostream>

#include <spillway/ledger/usage_report.hpp>

#include "commands.hpp"
#include "usage_store.hpp"
#include "usage_text.hpp"

namespace spillway::cli {
namespace {

struct usage_options {
    usage_store_options store;
    std::string from, to, month, day, format{"table"}, sort;
    std::vector<std::string> by, clients, pools, models, labels;
    bool records{false}, repair{false};
    std::uint64_t limit{1000};
};

constexpr std::array<std::string_view, 3> formats{"table", "csv", "json"};

// Text options that CLI11 cannot check on its own; wrong usage.
[[noreturn]] void refuse(const std::string& option, const std::string& what) {
    throw CLI::ValidationError(option, what);
}

std::vector<ledger::grouping> groupings(const std::vector<std::string>& words) {
    std::vector<ledger::grouping> out;
    for (const auto& word : words) {
        const auto g = ledger::parse_grouping(word);
        if (!g) refuse("--by", "'" + word + "' is none of " + ledger::grouping_names());
        out.push_back(*g);
    }
    return out;
}

void add_period(const usage_options& o, ledger::usage_query& q) {
    const bool bounds = !o.from.empty() || !o.to.empty();
    if ((bounds ? 1 : 0) + (o.month.empty() ? 0 : 1) + (o.day.empty() ? 0 : 1) > 1)
        refuse("--month", "one of --month, --day and --from with --to is enough");
    const auto period = !o.month.empty() ? parse_month(o.month) : !o.day.empty() ? parse_day(o.day) : std::nullopt;
    if (!o.month.empty() && !period) refuse("--month", "wants a month such as 2026-11");
    if (!o.day.empty() && !period) refuse("--day", "wants a day such as 2026-11-26");
    if (period) {
        q.from_us = period->from;
        q.to_us = period->to;
    }
    const auto moment = [](const std::string& option, const std::string& s) -> std::optional<std::int64_t> {
        if (s.empty()) return {};
        const auto at = parse_moment(s);
        if (!at) refuse(option, "wants a day such as 2026-11-26 or a moment such as 2026-11-26T08:30:00Z");
        return at;
    };
    if (bounds) {
        q.from_us = moment("--from", o.from);
        q.to_us = moment("--to", o.to);
    }
    if (q.from_us && q.to_us && *q.from_us >= *q.to_us) refuse("--to", "has to be later than --from");
}

ledger::usage_query query_of(const usage_options& o) {
    ledger::usage_query q;
    q.by = groupings(o.by);
    add_period(o, q);
    const auto filter = [&q](ledger::dimension by, const std::vector<std::string>& values) {
        for (const auto& v : values) q.filters.push_back({{by, {}}, v});
    };
    filter(ledger::dimension::client, o.clients);
    filter(ledger::dimension::pool, o.pools);
    filter(ledger::dimension::model, o.models);
    for (const auto& l : o.labels) {
        const auto equals = l.find('=');
        if (equals == 0 || equals == std::string::npos) refuse("--label", "wants NAME=VALUE");
        q.filters.push_back({{ledger::dimension::label, l.substr(0, equals)}, l.substr(equals + 1)});
    }
    return q;
}

// How a row compares by one column; as numbers where it is one.
using less_than = std::function<bool(const ledger::usage_row&, const ledger::usage_row&)>;

less_than order_of(const std::string& name, const std::vector<ledger::grouping>& by) {
    const auto number = [](auto get) -> less_than {
        return [get](const ledger::usage_row& a, const ledger::usage_row& b) { return get(a.sums) < get(b.sums); };
    };
    if (name == "requests") return number([](const auto& s) { return s.requests; });
    if (name == "errors") return number([](const auto& s) { return s.errors; });
    if (name == "prompt") return number([](const auto& s) { return s.prompt; });
    if (name == "completion") return number([](const auto& s) { return s.completion; });
    if (name == "cached") return number([](const auto& s) { return s.cached; });
    if (name == "reasoning") return number([](const auto& s) { return s.reasoning; });
    if (name == "total") return number([](const auto& s) { return s.total(); });
    if (name == "estimated") return number([](const auto& s) { return s.estimated; });
    if (name == "price") return number([](const auto& s) { return s.price_nanos; });
    for (std::size_t i = 0; i < by.size(); ++i)
        if (ledger::to_string(by[i]) == name)
            return [i](const ledger::usage_row& a, const ledger::usage_row& b) { return a.keys[i] < b.keys[i]; };
    refuse("--sort", "'" + name + "' is no column of this report");
}

// "price" puts the largest first, "client" the first of the alphabet; a minus in front turns it round.
struct sorting {
    less_than less;
    bool largest_first{false};
};

std::optional<sorting> sorting_of(const usage_options& o, const std::vector<ledger::grouping>& by) {
    if (o.sort.empty()) return {};
    const bool turned = o.sort.front() == '-';
    const auto name = o.sort.substr(turned ? 1 : 0);
    const bool key = std::any_of(by.begin(), by.end(), [&](const auto& g) { return ledger::to_string(g) == name; });
    return sorting{order_of(name, by), key == turned};
}

int failed(const fault& f) {
    std::cerr << "the usage store cannot be read: " << f.message << '\n';
    return 1;
}

int list_records(ledger::usage_reader& from, const usage_output& how, std::uint64_t limit) {
    record_writer writer(std::cout, how);
    const auto f = from.records(how.query, limit == 0 ? UINT64_MAX : limit, [&](const auto& r) { writer.add(r); });
    if (f) return failed(*f);
    writer.finish();
    return 0;
}

int repair(const usage_place& at) {
    const auto done = ledger::repair_usage(at.store, at.password);
    if (!done) {
        std::cerr << "the usage store cannot be repaired: " << done.error().message << '\n';
        return 1;
    }
    std::cout << "repaired: " << done->records << (done->records == 1 ? " record, " : " records, ") << done->days
              << (done->days == 1 ? " sum of a day\n" : " sums of days\n");
    return 0;
}

int usage(const usage_options& o) {
    usage_output how;
    how.format = static_cast<usage_format>(std::find(formats.begin(), formats.end(), o.format) - formats.begin());
    how.query = query_of(o);
    const auto order = sorting_of(o, how.query.by);
    const auto at = place_of(o.store);
    if (!at) return 1;
    how.currency = at->currency;
    if (o.repair) return repair(*at);
    const auto reader = ledger::open_usage_reader(at->store, at->password);
    if (!reader) return failed(reader.error());
    if (o.records) return list_records(**reader, how, o.limit);
    auto report = (*reader)->sum(how.query);
    if (!report) return failed(report.error());
    if (report->cut_days > 0)
        std::cerr << "note: " << report->cut_days << (report->cut_days == 1 ? " day" : " days")
                  << " at the edges of this period, kept as sums only, left out\n";
    if (report->impossible > 0)
        std::cerr << "warning: " << report->impossible
                  << (report->impossible == 1 ? " record tells" : " records or sums of days tell")
                  << " tokens or prices that cannot be; `spillway usage --repair` sets them to 0\n";
    if (order)
        std::stable_sort(report->rows.begin(), report->rows.end(), [&](const auto& a, const auto& b) {
            return order->largest_first ? order->less(b, a) : order->less(a, b);
        });
    write_report(std::cout, how, *report);
    return std::cout.flush() ? 0 : 1;
}

}  // namespace

void add_usage(command_line& c) {
    static usage_options o;
    auto* u = c.app.add_subcommand("usage", "Report requests, tokens and prices from the usage ledger");
    add_store_options(*u, o.store);
    u->add_option("--currency", o.store.currency, "how prices are called, instead of the configuration's");
    auto* const by =
        u->add_option("--by", o.by, "what the rows are, separated by commas: " + ledger::grouping_names())
            ->delimiter(',')
            ->default_str("client");
    u->add_option("--from", o.from, "first day or moment (RFC 3339), UTC");
    u->add_option("--to", o.to, "day or moment that ends the period and is not part of it");
    u->add_option("--month", o.month, "a month such as 2026-11");
    u->add_option("--day", o.day, "a day such as 2026-11-26");
    u->add_option("--client", o.clients, "only of this client; may be repeated, as the next ones");
    u->add_option("--pool", o.pools, "only of this pool");
    u->add_option("--model", o.models, "only of this model, as answers name it");
    u->add_option("--label", o.labels, "only of clients with this label: NAME=VALUE");
    u->add_option("--format", o.format, "table, csv or json")
        ->capture_default_str()
        ->check(CLI::IsMember(std::vector<std::string>(formats.begin(), formats.end())));
    auto* const sort = u->add_option(
        "--sort", o.sort,
        "column: one of --by from the first, or requests, errors, prompt, completion, cached, reasoning, "
        "total, estimated, price from the largest; turned round by a minus in front (--sort=-price)");
    u->add_flag("--records", o.records, "single records, newest first, instead of sums")
        ->excludes(by)
        ->excludes(sort);
    u->add_flag("--repair", o.repair,
                "sets tokens and prices that cannot be (above 2^40 tokens, negative) to 0 in the store; no report")
        ->excludes(by)
        ->excludes("--records");
    u->add_option("--limit", o.limit, "how many records at most; 0: all")->capture_default_str();
    u->footer(
        "Errors are requests that ended neither well nor by their client's leaving. Estimated tokens are part of "
        "the\n"
        "total: no backend told them. Days whose records are compacted count as a whole.\n"
        "Example: spillway usage --month 2026-11 --by label:cost_center,model --format csv");
    const auto* const again = add_offer_again(*u, c);
    u->callback([&c, again] {
        if (again->parsed()) return;
        if (o.by.empty() && !o.records) o.by = {"client"};
        c.exit_code = usage(o);
    });
}

}  // namespace spillway::cli
