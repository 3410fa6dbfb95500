#pragma once

#include <string_view>

// The files of the live page, part of the program.
namespace spillway::server {

struct page_asset {
    std::string_view type, body;
};

// Of "/page/page.css"; null: there is no such file. "/" is the page itself.
const page_asset* find_page_asset(std::string_view path) noexcept;

}  // namespace spillway::server
