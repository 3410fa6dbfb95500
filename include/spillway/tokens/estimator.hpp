#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// Counts tokens with the vocabularies of OpenAI's models, for answers that do not tell their usage.
namespace spillway::tokens {

enum class encoding : std::uint8_t { o200k, cl100k };

// By the model's name: gpt-4o and everything newer is o200k; gpt-4, gpt-4-turbo, gpt-35-turbo, text-embedding-* are
// cl100k. Unknown: o200k.
encoding encoding_of(std::string_view model) noexcept;

// Tokens of plain text (special tokens are text). Exact: the same as OpenAI's tiktoken, except that a single word or
// run of more than 1 MiB is counted in parts. Bytes that are not UTF-8 count as U+FFFD. The first call for an
// encoding loads its vocabulary (some twenty milliseconds and six megabytes). Thread safe; not for a worker's thread:
// a megabyte of English takes 25 ms, of the worst text half a second.
std::size_t count(std::string_view text, encoding e);

// Prompt tokens of a request body as OpenAI documents counting for chat (three tokens a message and three for the
// answer's beginning, names and calls of tools), for completions, embeddings and Responses. Guessed: definitions of
// tools and schemas by their JSON text, an image as 85 (detail low) or 765, sound as 300, a file as 765. `body` is
// the JSON that was sent; anything unexpected counts by its text, so a body that is no JSON object costs as much as
// count(). Never fails, whatever the body; no tree is built, and nesting is bounded by the scanner.
std::size_t count_prompt(std::string_view body, encoding e);

// `raw` is the inside of JSON strings as they passed by, still escaped and joined; decoded and counted. Halves of a
// surrogate pair that came apart find each other; what is no escape sequence counts as it stands.
std::size_t count_escaped(std::string_view raw, encoding e);

// Without a vocabulary, in nanoseconds: about four bytes a token. For the worker's thread.
constexpr std::uint64_t guess(std::uint64_t bytes) noexcept { return bytes / 4 + (bytes % 4 != 0 ? 1 : 0); }

}  // namespace spillway::tokens
