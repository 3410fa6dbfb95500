#pragma once

#include <libpq-fe.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/base/time.hpp>

// A connection to PostgreSQL on which nothing waits for ever: not even for a server that holds its connections and
// answers nothing.
namespace spillway::ledger::postgresql {

struct settings {
    std::vector<std::pair<std::string, std::string>> words;  // libpq's keywords and values, the password among them
    std::string shown;                                       // where to, for people
    std::string password;                                    // is blotted out of messages
    duration answer_within{seconds(30)};
};

// Faults: the URL cannot be read. Connects to nothing.
result<settings> read_url(const std::string& url, const std::string& password, duration answer_within = seconds(30));

struct result_delete {
    void operator()(PGresult* r) const noexcept { PQclear(r); }
};

// Rows of an answer.
class rows {
public:
    explicit rows(PGresult* r) noexcept : result_(r) {}
    int size() const noexcept { return PQntuples(result_.get()); }
    bool is_null(int row, int column) const noexcept { return PQgetisnull(result_.get(), row, column) != 0; }
    std::string_view text(int row, int column) const noexcept {
        return {PQgetvalue(result_.get(), row, column),
                static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
    }
    std::int64_t number(int row, int column) const noexcept;

private:
    std::unique_ptr<PGresult, result_delete> result_;
};

class connection {
public:
    // Faults: store_away.
    static result<std::unique_ptr<connection>> open(const settings& s);
    ~connection() { PQfinish(pg_); }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    // One statement, one round trip. Faults, which repeat no value: record_refused when the statement may be refused
    // for its values, otherwise store_away; afterwards usable() says whether the connection has to be made anew.
    result<rows> run(const char* sql, const std::vector<std::string>& parameters = {});
    // Several statements without parameters, in one transaction.
    result<rows> run_all(const std::string& sql);

    // SQLSTATE of what the last call was refused with; empty: it was not.
    const std::string& refused_with() const noexcept { return refused_with_; }
    // As the server calls it: "UTF8".
    std::string_view server_encoding() const noexcept {
        const char* const s = PQparameterStatus(pg_, "server_encoding");
        return s == nullptr ? std::string_view() : std::string_view(s);
    }

    bool usable() const noexcept { return usable_ && PQstatus(pg_) == CONNECTION_OK; }

private:
    connection(PGconn* pg, const settings& s) noexcept : pg_(pg), settings_(s) {}
    bool send(const char* sql, const std::vector<std::string>& parameters);
    bool flush(time_point until);
    bool wait(short events, time_point until);
    PGresult* next(time_point until);  // null: no more, or the connection is lost (usable_)
    result<rows> answer();
    fault lost(std::string_view why);
    fault refused(const PGresult* r);

    PGconn* pg_;
    const settings& settings_;
    bool usable_{true};
    std::string refused_with_;
};

}  // namespace spillway::ledger::postgresql
