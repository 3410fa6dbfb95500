#include <algorithm>

#include <spillway/base/percent.hpp>
#include <spillway/core/operation.hpp>
#include <spillway/http/target.hpp>
#include <spillway/server/explain.hpp>

namespace spillway::server {
namespace {

fault malformed(std::string message) {
    return {.code = "QuestionMalformed", .who = origin::client, .status = 400, .message = std::move(message)};
}

void append(std::string& out, std::string_view name, std::string_view value) {
    if (value.empty()) return;
    if (!out.empty()) out += '&';
    out.append(name).append("=");
    percent::append_encoded(out, value);
}

}  // namespace

std::string query_of(const question& q) {
    std::string out;
    append(out, "client", q.client);
    append(out, "deployment", q.deployment);
    append(out, "operation", q.operation);
    append(out, "user", q.user);
    for (const auto& [name, value] : q.headers) append(out, "header", name + "=" + value);
    return out;
}

result<question> read_question(std::string_view query) {
    question out;
    http::query_param p;
    for (http::query_cursor c(query); c.next(p);) {
        if (p.whole.empty()) continue;
        auto value = percent::decoded(p.value);
        if (!value) return malformed("A percent sign in the query begins no escape.");
        if (p.name == "client") out.client = std::move(*value);
        else if (p.name == "deployment") out.deployment = std::move(*value);
        else if (p.name == "operation") out.operation = std::move(*value);
        else if (p.name == "user") out.user = std::move(*value);
        else if (p.name == "header") {
            const auto equals = std::min(value->find('='), value->size());
            out.headers.emplace_back(value->substr(0, equals), value->substr(std::min(equals + 1, value->size())));
        } else {
            return malformed("The query knows client, deployment, operation, user and header=NAME%3DVALUE.");
        }
    }
    if (out.client.empty() || out.deployment.empty())
        return malformed("Name the client and the deployment: GET /explain?client=NAME&deployment=NAME.");
    if (out.headers.size() > http::field_table::capacity) return malformed("There are too many headers.");
    const auto known = core::operation_names();
    if (std::find(known.begin(), known.end(), out.operation) == known.end())
        return malformed("There is no operation of that name.");
    return out;
}

}  // namespace spillway::server
