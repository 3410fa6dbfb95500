#pragma once

#include <libpq-fe.h>

#include <string>
#include <string_view>

// What a server's refusal means, and how it is told without anything of the record: PostgreSQL puts values into the
// detail, the context and some primary messages.
namespace spillway::ledger::postgresql {

std::string_view sqlstate(const PGresult* r) noexcept;  // empty: the connection broke
// The statement was refused for the values it has or by what the database's owner has put in their way (constraint,
// trigger): other records may be taken.
bool blames_the_values(std::string_view sqlstate) noexcept;
// The server goes away, or is one that only reads: another connection may reach a better one.
bool wants_another_connection(std::string_view sqlstate) noexcept;
// A text has a character that the database's encoding lacks; or it is too long for its column.
bool blames_the_characters(std::string_view sqlstate) noexcept;
bool blames_the_length(std::string_view sqlstate) noexcept;

// Code, meaning, and the names of what refused.
std::string without_values(const PGresult* r);

}  // namespace spillway::ledger::postgresql
