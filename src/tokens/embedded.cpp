#include "embedded.hpp"

// CMake names the folder and rebuilds this file when its data change. Hidden symbols: the address is known at link
// time.
#define SPILLWAY_EMBED(symbol, file)                                                                             \
    asm(".pushsection .rodata\n.balign 16\n.hidden " #symbol "_begin\n.hidden " #symbol "_end\n.global " #symbol \
        "_begin\n.global " #symbol "_end\n" #symbol "_begin:\n.incbin \"" SPILLWAY_TOKENS_DATA "/" file          \
        "\"\n" #symbol "_end:\n.popsection\n");                                                                  \
    extern "C" const char symbol##_begin[] __attribute__((visibility("hidden")));                                \
    extern "C" const char symbol##_end[] __attribute__((visibility("hidden")))

SPILLWAY_EMBED(spillway_tokens_o200k, "o200k_base.bin");
SPILLWAY_EMBED(spillway_tokens_cl100k, "cl100k_base.bin");
SPILLWAY_EMBED(spillway_tokens_unicode, "unicode.bin");

namespace spillway::tokens::embedded {

std::string_view o200k() noexcept { return {spillway_tokens_o200k_begin, spillway_tokens_o200k_end}; }
std::string_view cl100k() noexcept { return {spillway_tokens_cl100k_begin, spillway_tokens_cl100k_end}; }
std::string_view unicode() noexcept { return {spillway_tokens_unicode_begin, spillway_tokens_unicode_end}; }

}  // namespace spillway::tokens::embedded
