#include "postgresql.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "postgresql_errors.hpp"
#include "store.hpp"

namespace spillway::ledger::postgresql {
namespace {

struct options_delete {
    void operator()(PQconninfoOption* o) const noexcept { PQconninfoFree(o); }
};

// One line; the password in it becomes ***.
std::string one_line(std::string_view message, const std::string& password) {
    std::string out;
    for (const char c : message) {
        const bool blank = c == '\n' || c == '\t' || c == '\r' || c == ' ';
        if (!blank) out += c;
        else if (!out.empty() && out.back() != ' ') out += ' ';
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    for (auto at = std::string::npos; !password.empty() && (at = out.find(password)) != std::string::npos;)
        out.replace(at, password.size(), password == "***" ? "" : "***");
    return out;
}

}  // namespace

std::int64_t rows::number(int row, int column) const noexcept {
    const auto s = text(row, column);
    std::int64_t n = 0;
    std::from_chars(s.data(), s.data() + s.size(), n);
    return n;
}

result<settings> read_url(const std::string& url, const std::string& password, duration answer_within) {
    char* error = nullptr;
    const std::unique_ptr<PQconninfoOption, options_delete> parsed(PQconninfoParse(url.c_str(), &error));
    PQfreemem(error);  // not shown: it may repeat what the URL holds
    if (!parsed || !(url.starts_with("postgresql://") || url.starts_with("postgres://")))
        return fault{store_away, origin::gateway, 500,
                     "usage.store is no URL of the form postgresql://user@host[:port]/database[?sslmode=...]"};
    settings out;
    std::string host, port, database;
    for (const auto* o = parsed.get(); o->keyword != nullptr; ++o) {
        if (o->val == nullptr) continue;
        const std::string_view keyword = o->keyword;
        if (keyword == "password") continue;  // has a key of its own in the configuration
        if (keyword == "host") host = o->val;
        if (keyword == "port") port = o->val;
        if (keyword == "dbname") database = o->val;
        out.words.emplace_back(keyword, o->val);
    }
    const auto unless_given = [&](const char* keyword, std::string value) {
        if (std::none_of(out.words.begin(), out.words.end(), [&](const auto& w) { return w.first == keyword; }))
            out.words.emplace_back(keyword, std::move(value));
    };
    const auto ms = std::to_string(std::chrono::duration_cast<milliseconds>(answer_within).count());
    unless_given("connect_timeout", "5");
    unless_given("tcp_user_timeout", ms);
    unless_given("keepalives_idle", "10");
    unless_given("keepalives_interval", "5");
    unless_given("keepalives_count", "3");
    unless_given("application_name", "spillway");
    unless_given("options", "-c statement_timeout=" + ms + " -c lock_timeout=" + ms + " -c timezone=UTC");
    out.words.emplace_back("client_encoding", "UTF8");
    if (!password.empty()) out.words.emplace_back("password", password);
    out.shown = "postgresql://" + host + (port.empty() ? "" : ":" + port) + "/" + database;
    out.password = password;
    out.answer_within = answer_within;
    return out;
}

result<std::unique_ptr<connection>> connection::open(const settings& s) {
    std::vector<const char*> keywords, values;
    for (const auto& [keyword, value] : s.words) {
        keywords.push_back(keyword.c_str());
        values.push_back(value.c_str());
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    std::unique_ptr<connection> c(new connection(PQconnectdbParams(keywords.data(), values.data(), 0), s));
    if (PQstatus(c->pg_) != CONNECTION_OK || PQsetnonblocking(c->pg_, 1) != 0)
        return c->lost(c->pg_ == nullptr ? "no memory" : PQerrorMessage(c->pg_));
    PQsetErrorVerbosity(c->pg_, PQERRORS_TERSE);  // no detail, which repeats rows
    PQsetNoticeProcessor(
        c->pg_, [](void*, const char*) {}, nullptr);
    return c;
}

fault connection::lost(std::string_view why) {
    usable_ = false;
    return {store_away, origin::gateway, 500, settings_.shown + ": " + one_line(why, settings_.password)};
}

fault connection::refused(const PGresult* r) {
    refused_with_ = sqlstate(r);
    // Without a code it is libpq that speaks, of the connection.
    if (refused_with_.empty()) return lost(PQresultErrorMessage(r));
    if (wants_another_connection(refused_with_)) usable_ = false;
    return {blames_the_values(refused_with_) ? record_refused : store_away, origin::gateway, 500,
            settings_.shown + ": " + one_line(without_values(r), settings_.password)};
}

bool connection::wait(short events, time_point until) {
    const auto left = std::chrono::ceil<milliseconds>(until - clock::now()).count();
    pollfd p{PQsocket(pg_), events, 0};
    if (left > 0 && p.fd >= 0 && (::poll(&p, 1, static_cast<int>(left)) > 0 || errno == EINTR)) return true;
    usable_ = false;
    return false;
}

bool connection::flush(time_point until) {
    for (;;) {
        const int more = PQflush(pg_);
        if (more == 0) return true;
        // The server may stop reading until its own words are taken.
        if (more < 0 || !wait(POLLIN | POLLOUT, until) || PQconsumeInput(pg_) == 0) return false;
    }
}

PGresult* connection::next(time_point until) {
    while (PQisBusy(pg_) != 0)
        if (!wait(POLLIN, until) || PQconsumeInput(pg_) == 0) {
            usable_ = false;
            return nullptr;
        }
    return PQgetResult(pg_);
}

bool connection::send(const char* sql, const std::vector<std::string>& parameters) {
    std::vector<const char*> values;
    values.reserve(parameters.size());
    for (const auto& p : parameters) values.push_back(p.c_str());
    return PQsendQueryParams(pg_, sql, static_cast<int>(values.size()), nullptr, values.data(), nullptr, nullptr,
                             0) != 0;
}

result<rows> connection::answer() {
    refused_with_.clear();
    const auto until = clock::now() + settings_.answer_within + seconds(2);  // the server's own limit comes first
    const auto broken = [&] { return lost(clock::now() >= until ? "no answer in time" : PQerrorMessage(pg_)); };
    if (!flush(until)) return broken();
    std::unique_ptr<PGresult, result_delete> last;
    while (auto* r = next(until)) {
        const bool bad = last && PQresultStatus(last.get()) == PGRES_FATAL_ERROR;
        if (bad) PQclear(r);
        else last.reset(r);
    }
    if (!usable_ || !last) return broken();
    const auto status = PQresultStatus(last.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return refused(last.get());
    return rows(last.release());
}

result<rows> connection::run(const char* sql, const std::vector<std::string>& parameters) {
    if (!send(sql, parameters)) return lost(PQerrorMessage(pg_));
    return answer();
}

result<rows> connection::run_all(const std::string& sql) {
    if (PQsendQuery(pg_, sql.c_str()) == 0) return lost(PQerrorMessage(pg_));
    return answer();
}

}  // namespace spillway::ledger::postgresql
