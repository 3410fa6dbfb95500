#include "usage_text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ostream>

#include <nlohmann/json.hpp>

namespace spillway::cli {
namespace {

using ordered_json = nlohmann::ordered_json;
using ledger::usage_sums;

struct sum_column {
    std::string_view name;   // in CSV and JSON
    std::string_view title;  // in the table
    std::uint64_t (*value)(const usage_sums&);
};

constexpr std::array sum_columns{
    sum_column{"requests", "requests", [](const usage_sums& s) { return s.requests; }},
    sum_column{"errors", "errors", [](const usage_sums& s) { return s.errors; }},
    sum_column{"prompt_tokens", "prompt", [](const usage_sums& s) { return s.prompt; }},
    sum_column{"completion_tokens", "completion", [](const usage_sums& s) { return s.completion; }},
    sum_column{"cached_tokens", "cached", [](const usage_sums& s) { return s.cached; }},
    sum_column{"reasoning_tokens", "reasoning", [](const usage_sums& s) { return s.reasoning; }},
    sum_column{"total_tokens", "total", [](const usage_sums& s) { return s.total(); }},
    sum_column{"exact_tokens", "exact", [](const usage_sums& s) { return s.exact(); }},
    sum_column{"estimated_tokens", "estimated", [](const usage_sums& s) { return s.estimated; }},
};

std::string share_text(const usage_sums& s) {
    std::array<char, 16> out{};
    const double share =
        s.total() == 0 ? 0 : 100.0 * static_cast<double>(s.estimated) / static_cast<double>(s.total());
    std::snprintf(out.data(), out.size(), "%.1f%%", share);
    return out.data();
}

// RFC 4180. A spreadsheet would take a text that begins like a formula for one, and clients choose some of the texts.
std::string csv_field(std::string_view s, bool text = true) {
    std::string out(s);
    if (text && !out.empty() && std::string_view("=+-@\t\r").find(out.front()) != std::string_view::npos)
        out.insert(0, 1, '\'');
    if (out.find_first_of("\",\r\n") == std::string::npos) return out;
    for (std::size_t at = 0; (at = out.find('"', at)) != std::string::npos; at += 2) out.insert(at, 1, '"');
    return '"' + out + '"';
}

// What a terminal would obey is not for tables.
std::string table_field(std::string_view s) {
    std::string out = s.empty() ? "-" : std::string(s);
    for (auto& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    return out;
}

std::size_t width_of(std::string_view s) {
    return static_cast<std::size_t>(std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// Texts to the left, numbers to the right.
void write_table(std::ostream& out, const std::vector<std::vector<std::string>>& lines, std::size_t texts) {
    std::vector<std::size_t> widths;
    for (const auto& line : lines) {
        widths.resize(std::max(widths.size(), line.size()));
        for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width_of(line[i]));
    }
    for (const auto& line : lines) {
        std::string row;
        for (std::size_t i = 0; i < line.size(); ++i) {
            const std::string room(widths[i] - width_of(line[i]), ' ');
            row += (i == 0 ? "" : "  ") + (i < texts ? line[i] + room : room + line[i]);
        }
        row.erase(row.find_last_not_of(' ') + 1);
        out << row << '\n';
    }
}

void report_table(std::ostream& out, const usage_output& how, const ledger::usage_report& r) {
    std::vector<std::vector<std::string>> lines(1);
    for (const auto& g : how.query.by) lines[0].push_back(to_string(g));
    for (const auto& c : sum_columns)
        if (c.name != "exact_tokens" && c.name != "estimated_tokens") lines[0].emplace_back(c.title);
    lines[0].emplace_back("estimated");
    lines[0].push_back(how.currency.empty() ? "price" : how.currency);
    const auto add = [&](std::vector<std::string> line, const usage_sums& s) {
        for (const auto& c : sum_columns)
            if (c.name != "exact_tokens" && c.name != "estimated_tokens") line.push_back(std::to_string(c.value(s)));
        line.push_back(share_text(s));
        line.push_back(ledger::price_text(s.price_nanos));
        lines.push_back(std::move(line));
    };
    for (const auto& row : r.rows) {
        std::vector<std::string> keys;
        for (const auto& k : row.keys) keys.push_back(table_field(k));
        add(std::move(keys), row.sums);
    }
    std::vector<std::string> last(how.query.by.size());
    if (!last.empty()) last[0] = "total";
    add(std::move(last), r.totals);
    write_table(out, lines, how.query.by.size());
}

void report_csv(std::ostream& out, const usage_output& how, const ledger::usage_report& r) {
    for (const auto& g : how.query.by) out << csv_field(to_string(g)) << ',';
    for (const auto& c : sum_columns) out << c.name << ',';
    out << "price,currency\r\n";
    const auto finish = [&](const usage_sums& s) {
        for (const auto& c : sum_columns) out << c.value(s) << ',';
        out << ledger::price_text(s.price_nanos) << ',' << how.currency << "\r\n";
    };
    for (const auto& row : r.rows) {
        for (const auto& k : row.keys) out << csv_field(k) << ',';
        finish(row.sums);
    }
    // No line of totals: the sum of a column would count everything twice.
}

ordered_json sums_of(const usage_sums& s) {
    ordered_json out;
    for (const auto& c : sum_columns) out[std::string(c.name)] = c.value(s);
    // A text: as a floating-point number it would lose digits that finance counts.
    out["price"] = ledger::price_text(s.price_nanos);
    return out;
}

ordered_json frame_of(const usage_output& how) {
    const auto moment = [](const std::optional<std::int64_t>& us) {
        return us ? ordered_json(format_moment(*us)) : ordered_json();
    };
    return {{"from", moment(how.query.from_us)}, {"to", moment(how.query.to_us)}, {"currency", how.currency}};
}

std::string line_of(const ordered_json& j) { return j.dump(-1, ' ', false, ordered_json::error_handler_t::replace); }

void report_json(std::ostream& out, const usage_output& how, const ledger::usage_report& r) {
    auto whole = frame_of(how);
    whole["rows"] = ordered_json::array();
    for (const auto& row : r.rows) {
        ordered_json keys = ordered_json::object();
        for (std::size_t i = 0; i < row.keys.size(); ++i) keys[to_string(how.query.by[i])] = row.keys[i];
        keys.update(sums_of(row.sums));
        whole["rows"].push_back(std::move(keys));
    }
    whole["totals"] = sums_of(r.totals);
    out << whole.dump(1, ' ', false, ordered_json::error_handler_t::replace) << '\n';
}

ordered_json record_of(const ledger::record_values& values) {
    ordered_json out;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const auto& column = ledger::record_columns()[i];
        ordered_json value;
        if (values[i] && column.kind == ledger::column_kind::flag) value = *values[i] == "1";
        else if (values[i] && column.kind == ledger::column_kind::text) value = *values[i];
        else if (values[i] && column.name == "price") value = *values[i];
        else if (values[i] && !values[i]->empty()) value = ordered_json::parse(*values[i], nullptr, false);
        if (value.is_discarded()) value = *values[i];
        out[std::string(column.name)] = std::move(value);
    }
    return out;
}

// What a line of a terminal has room for; the other formats have all.
constexpr std::array<std::string_view, 10> shown{
    "time",   "client",  "pool",          "backend",           "operation",
    "status", "outcome", "prompt_tokens", "completion_tokens", "price"};

}  // namespace

void write_report(std::ostream& out, const usage_output& how, const ledger::usage_report& r) {
    switch (how.format) {
        case usage_format::table: return report_table(out, how, r);
        case usage_format::csv: return report_csv(out, how, r);
        case usage_format::json: return report_json(out, how, r);
    }
}

record_writer::record_writer(std::ostream& out, const usage_output& how) : out_(out), how_(how) {
    if (how.format == usage_format::csv) {
        for (const auto& c : ledger::record_columns()) out << c.name << ',';
        out << "currency\r\n";
    } else if (how.format == usage_format::json) {
        const auto head = line_of(frame_of(how));
        out << head.substr(0, head.size() - 1) << ",\"records\":[";
    } else {
        for (const auto name : shown) out << (name == shown.front() ? "" : "\t") << name;
        out << '\n';
    }
}

void record_writer::add(const ledger::record_values& values) {
    const auto columns = ledger::record_columns();
    if (how_.format == usage_format::csv) {
        for (std::size_t i = 0; i < values.size(); ++i)
            out_ << (values[i] ? csv_field(*values[i], columns[i].kind == ledger::column_kind::text) : "") << ',';
        out_ << how_.currency << "\r\n";
    } else if (how_.format == usage_format::json) {
        out_ << (count_ == 0 ? "\n " : ",\n ") << line_of(record_of(values));
    } else {
        for (const auto name : shown) {
            const auto at =
                std::find_if(columns.begin(), columns.end(), [&](const auto& c) { return c.name == name; });
            out_ << (name == shown.front() ? "" : "\t")
                 << table_field(values[static_cast<std::size_t>(at - columns.begin())].value_or(""));
        }
        out_ << '\n';
    }
    ++count_;
}

void record_writer::finish() {
    if (how_.format == usage_format::json) out_ << "\n]}\n";
}

}  // namespace spillway::cli
