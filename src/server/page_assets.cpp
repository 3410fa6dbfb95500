#include "page_assets.hpp"

#include <array>
#include <utility>

// CMake names the folder and rebuilds this file when the page changes. Hidden symbols: the address is known at link
// time.
#define SPILLWAY_EMBED(symbol, file)                                                                            \
    asm(".pushsection .rodata\n.hidden " #symbol "_begin\n.hidden " #symbol "_end\n.global " #symbol            \
        "_begin\n.global " #symbol "_end\n" #symbol "_begin:\n.incbin \"" SPILLWAY_PAGE "/" file "\"\n" #symbol \
        "_end:\n.popsection\n");                                                                                \
    extern "C" const char symbol##_begin[] __attribute__((visibility("hidden")));                               \
    extern "C" const char symbol##_end[] __attribute__((visibility("hidden")))

SPILLWAY_EMBED(spillway_page_html, "page.html");
SPILLWAY_EMBED(spillway_page_css, "page.css");
SPILLWAY_EMBED(spillway_page_icon, "icon.svg");
SPILLWAY_EMBED(spillway_page_main, "main.js");
SPILLWAY_EMBED(spillway_page_cells, "cells.js");
SPILLWAY_EMBED(spillway_page_stream, "stream.js");
SPILLWAY_EMBED(spillway_page_sections, "sections.js");
SPILLWAY_EMBED(spillway_page_table, "table.js");
SPILLWAY_EMBED(spillway_page_rates, "rates.js");

namespace spillway::server {

const page_asset* find_page_asset(std::string_view path) noexcept {
    constexpr std::string_view script = "text/javascript; charset=utf-8";
    static const std::array<std::pair<std::string_view, page_asset>, 9> all{{
        {"/", {"text/html; charset=utf-8", {spillway_page_html_begin, spillway_page_html_end}}},
        {"/page/page.css", {"text/css; charset=utf-8", {spillway_page_css_begin, spillway_page_css_end}}},
        {"/page/icon.svg", {"image/svg+xml", {spillway_page_icon_begin, spillway_page_icon_end}}},
        {"/page/main.js", {script, {spillway_page_main_begin, spillway_page_main_end}}},
        {"/page/cells.js", {script, {spillway_page_cells_begin, spillway_page_cells_end}}},
        {"/page/stream.js", {script, {spillway_page_stream_begin, spillway_page_stream_end}}},
        {"/page/sections.js", {script, {spillway_page_sections_begin, spillway_page_sections_end}}},
        {"/page/table.js", {script, {spillway_page_table_begin, spillway_page_table_end}}},
        {"/page/rates.js", {script, {spillway_page_rates_begin, spillway_page_rates_end}}},
    }};
    for (const auto& [name, asset] : all)
        if (name == path) return &asset;
    return nullptr;
}

}  // namespace spillway::server
