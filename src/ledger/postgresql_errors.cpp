#include "postgresql_errors.hpp"

#include <algorithm>
#include <array>

namespace spillway::ledger::postgresql {
namespace {

std::string_view field(const PGresult* r, int which) noexcept {
    const char* const s = PQresultErrorField(r, which);
    return s == nullptr ? std::string_view() : std::string_view(s);
}

struct meaning {
    std::string_view state, words;
};
// In the place of messages that can hold values. A class stands behind its states.
constexpr std::array meanings{
    meaning{"22001", "a text is too long for its column"},
    meaning{"22003", "a number is out of its column's range"},
    meaning{"22021", "a character is not valid in the database's encoding"},
    meaning{"22P05", "a character does not exist in the database's encoding"},
    meaning{"22", "a value does not fit"},
    meaning{"23502", "a column that must not be null gets no value"},
    meaning{"23503", "a foreign key finds no row"},
    meaning{"23505", "a value that has to be unique is there already"},
    meaning{"23514", "a check or the bounds of the partitions refuse a value"},
    meaning{"23", "a constraint refuses a value"},
    meaning{"44", "a view's check option refuses a value"},
    meaning{"54", "a limit of the database is exceeded"},
    meaning{"P0", "a function or trigger of the database refuses it"},
};

// Classes whose messages name objects, roles and settings, never what a statement carries.
constexpr std::array<std::string_view, 14> speak_of_names{"08", "0A", "25", "28", "3D", "3F", "40",
                                                          "42", "53", "55", "57", "58", "F0", "26"};

bool in_class(std::string_view state, std::string_view c) noexcept { return state.starts_with(c); }

std::string_view words_of(const PGresult* r, std::string_view state) {
    const bool raised = field(r, PG_DIAG_SOURCE_FUNCTION) == "exec_stmt_raise";  // whatever code it has chosen
    for (const auto& m : meanings)
        if (in_class(state, m.state)) return raised ? "a function or trigger of the database refuses it" : m.words;
    const bool names = std::any_of(speak_of_names.begin(), speak_of_names.end(),
                                   [&](std::string_view c) { return in_class(state, c); });
    if (raised || !names) return "refused";
    return field(r, PG_DIAG_MESSAGE_PRIMARY);
}

}  // namespace

std::string_view sqlstate(const PGresult* r) noexcept { return field(r, PG_DIAG_SQLSTATE); }

bool blames_the_values(std::string_view state) noexcept {
    constexpr std::array<std::string_view, 5> classes{"22", "23", "44", "54", "P0"};
    return std::any_of(classes.begin(), classes.end(), [&](std::string_view c) { return in_class(state, c); });
}

bool wants_another_connection(std::string_view state) noexcept {
    return in_class(state, "08") || in_class(state, "57P") || state == "25006";
}

bool blames_the_characters(std::string_view state) noexcept { return state == "22021" || state == "22P05"; }
bool blames_the_length(std::string_view state) noexcept { return state == "22001"; }

std::string without_values(const PGresult* r) {
    const auto state = sqlstate(r);
    std::string out(words_of(r, state));
    out += " (SQLSTATE ";
    out += state;
    constexpr std::array names{std::pair{PG_DIAG_TABLE_NAME, ", table "}, std::pair{PG_DIAG_COLUMN_NAME, ", column "},
                               std::pair{PG_DIAG_CONSTRAINT_NAME, ", constraint "}};
    for (const auto& [which, label] : names)
        if (const auto name = field(r, which); !name.empty()) (out += label) += name;
    return out += ')';
}

}  // namespace spillway::ledger::postgresql
