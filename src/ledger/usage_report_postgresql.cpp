#include <charconv>

#include "postgresql.hpp"
#include "postgresql_schema.hpp"
#include "store.hpp"
#include "usage_report.hpp"

namespace spillway::ledger {
namespace {

using namespace postgresql;

// A statement and its parameters as they are put together.
struct wording {
    std::vector<std::string> parameters;
    std::string add(std::string value) {
        parameters.push_back(std::move(value));
        return "$" + std::to_string(parameters.size());
    }
};

// A report of years may take longer than a write.
constexpr duration answer_within = minutes(5);

std::string moment(std::int64_t us) {
    return "(timestamptz 'epoch' + interval '1 microsecond' * " + std::to_string(us) + ")";
}

// One of usage_records and usage_days.
struct table {
    bool days;

    std::string key(wording& w, const grouping& g) const {
        const auto by_time = [this](const char* format) {
            return "to_char(" + std::string(days ? "day" : "time AT TIME ZONE 'UTC'") + ", '" + format + "')";
        };
        switch (g.by) {
            case dimension::label: return "coalesce(labels->>" + w.add(g.label) + "::text, '')";
            case dimension::status: return days ? "''" : "CASE status WHEN 0 THEN '' ELSE status::text END";
            case dimension::end_user: return days ? "''" : "end_user";
            case dimension::hour: return by_time(days ? "YYYY-MM-DD" : R"(YYYY-MM-DD"T"HH24:00"Z")");
            case dimension::day: return by_time("YYYY-MM-DD");
            case dimension::week: return by_time(R"(IYYY-"W"IW)");
            case dimension::month: return by_time("YYYY-MM");
            default: return to_string(g);
        }
    }

    std::string where(wording& w, const usage_query& q) const {
        std::string out = " WHERE true";
        for (const auto& f : q.filters) {
            out += " AND " + key(w, f.of) + " IN (";
            bool first = true;
            for (const auto& other : q.filters)
                if (other.of.by == f.of.by && other.of.label == f.of.label) {
                    out += (first ? "" : ", ") + w.add(other.value);
                    first = false;
                }
            out += ")";
        }
        if (!days && q.from_us) out += " AND time >= " + moment(*q.from_us);
        if (!days && q.to_us) out += " AND time < " + moment(*q.to_us);
        return out;
    }
};

std::string date(std::int64_t day) { return "(date '1970-01-01' + " + std::to_string(day) + ")"; }

std::string sums_of(const usage_query& q, wording& w, table t) {
    const std::string count = t.days ? "requests" : "1";
    const auto sum = [](const std::string& of) {
        return "least(coalesce(sum(" + of + "), 0), 9223372036854775807)::bigint";
    };
    std::string out = "SELECT ";
    for (const auto& g : q.by) out += t.key(w, g) + ", ";
    out += sum(count) + ", " + sum("CASE WHEN outcome IN ('ok', 'client_left') THEN 0 ELSE " + count + " END") +
           ", " + sum("prompt_tokens") + ", " + sum("completion_tokens") + ", " + sum("cached_tokens") + ", " +
           sum("reasoning_tokens") + ", " +
           sum("CASE token_source WHEN 'estimated' THEN prompt_tokens + completion_tokens ELSE 0 END") +
           ", least(greatest(coalesce(sum(price), 0) * 1000000000, -9223372036854775807), 9223372036854775807)"
           "::bigint, " +
           sum("CASE WHEN " + cannot_be(t.days) + " THEN 1 ELSE 0 END") + " FROM " +
           (t.days ? "usage_days" : "usage_records") + t.where(w, q);
    if (t.days) {
        const auto whole = days_of(q);
        out += " AND day >= " + date(whole.first) + " AND day < " + date(whole.end);
    }
    for (std::size_t i = 0; i < q.by.size(); ++i) out += (i == 0 ? " GROUP BY " : ", ") + std::to_string(i + 1);
    return out;
}

class postgresql_reader final : public usage_reader {
public:
    explicit postgresql_reader(settings s) : settings_(std::move(s)) {}

    std::optional<fault> connect() {
        auto fresh = connection::open(settings_);
        if (!fresh) return fresh.error();
        connection_ = std::move(*fresh);
        const auto there = connection_->run(find_version);
        if (!there) return there.error();
        if (there->number(0, 0) == 0)
            return fault{store_away, origin::gateway, 500, settings_.shown + ": no gateway has written there yet"};
        return {};
    }

    result<usage_report> sum(const usage_query& q) override {
        // Both tables as of one moment: a compaction moves records from the one to the other.
        if (const auto r = connection_->run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); !r) return r.error();
        auto out = sum_now(q);
        if (connection_->usable()) connection_->run("ROLLBACK");
        return out;
    }

    std::optional<fault> records(const usage_query& q, std::uint64_t limit,
                                 const std::function<void(const record_values&)>& each) override {
        wording w;
        std::string sql = "SELECT ";
        for (const auto& c : record_columns()) {
            if (c.name != "id") sql += ", ";
            if (c.name == "time") sql += R"(to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))";
            else if (c.name == "streaming") sql += "streaming::int";
            else if (c.name == "price") sql += "(price * 1000000000)::bigint";
            else sql += c.name;
        }
        sql += " FROM usage_records" + table{false}.where(w, q) + " ORDER BY time DESC, id DESC LIMIT " +
               std::to_string(std::min<std::uint64_t>(limit, INT64_MAX));
        const auto rows = connection_->run(sql.c_str(), w.parameters);
        if (!rows) return rows.error();
        record_values values(record_columns().size());
        for (int i = 0; i < rows->size(); ++i) {
            for (std::size_t c = 0; c < values.size(); ++c) {
                const auto column = static_cast<int>(c);
                if (rows->is_null(i, column)) values[c].reset();
                else if (record_columns()[c].name == "price") values[c] = price_text(rows->number(i, column));
                else values[c] = rows->text(i, column);
            }
            each(values);
        }
        return {};
    }

private:
    result<usage_report> sum_now(const usage_query& q) {
        row_table table_of_rows;
        std::uint64_t impossible = 0;
        for (const bool days : {false, true}) {
            wording w;
            const auto sql = sums_of(q, w, table{days});
            const auto rows = connection_->run(sql.c_str(), w.parameters);
            if (!rows) return rows.error();
            for (int i = 0; i < rows->size(); ++i) {
                std::vector<std::string> keys;
                int column = 0;
                for (; column < static_cast<int>(q.by.size()); ++column) keys.emplace_back(rows->text(i, column));
                const auto number = [&] { return static_cast<std::uint64_t>(rows->number(i, column++)); };
                usage_sums s;
                for (auto* to :
                     {&s.requests, &s.errors, &s.prompt, &s.completion, &s.cached, &s.reasoning, &s.estimated})
                    *to = number();
                s.price_nanos = rows->number(i, column++);
                impossible += number();
                if (s.requests != 0) table_of_rows.add(std::move(keys), s);
            }
        }
        auto out = std::move(table_of_rows).take();
        out.impossible = impossible;
        return count_cut_days(q, out);
    }

    result<usage_report> count_cut_days(const usage_query& q, usage_report& out) {
        const auto d = days_of(q);
        wording w;
        const auto sql = "SELECT count(DISTINCT day) FROM usage_days" + table{true}.where(w, q) +
                         " AND day >= " + date(d.touched_first) + " AND day < " + date(d.touched_end) +
                         " AND NOT (day >= " + date(d.first) + " AND day < " + date(d.end) + ")";
        const auto cut = connection_->run(sql.c_str(), w.parameters);
        if (!cut) return cut.error();
        out.cut_days = static_cast<std::uint64_t>(cut->number(0, 0));
        return std::move(out);
    }

    settings settings_;
    std::unique_ptr<connection> connection_;
};

}  // namespace

result<std::unique_ptr<usage_reader>> read_postgresql(const std::string& url, const std::string& password) {
    auto s = read_url(url, password, answer_within);
    if (!s) return s.error();
    auto out = std::make_unique<postgresql_reader>(std::move(*s));
    if (auto f = out->connect()) return *f;
    return out;
}

}  // namespace spillway::ledger
