#pragma once

#include <string>

namespace spillway::config {

// JSON Schema (draft 2020-12) of the configuration, for editors. Made from the declarations that the loader reads by.
std::string json_schema();

// The reference of all keys as Markdown: docs/configuration.md.
std::string reference_markdown();

}  // namespace spillway::config
