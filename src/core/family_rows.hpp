#pragma once

#include <array>

#include <spillway/core/operation.hpp>

namespace spillway::core::family_rows {

using f = family;
using tokens = answer_limit;
using broken = http::stream_family;

// Objects that an instance keeps: no tokens that an answer would tell.
constexpr family_row kept(family of, std::string_view name) {
    return {of, name, false, false, false, tokens::none, broken::chat, false, "", "", "", "", ""};
}

// By the family's number. The conventions know no operation of their own for pictures and speech; generate_content is
// theirs for what is not text. Pictures may have no tokens at all, and their bytes tell nothing.
inline constexpr std::array rows{
    // family, name, tells_tokens, estimable, reserves, limit, broken_end, fits_openai, then OpenTelemetry's words
    family_row{f::chat, "chat", true, true, true, tokens::chat, broken::chat, true, "chat", "", "chat_completions",
               "/openai/deployments/{deployment}/chat/completions", "/openai/v1/chat/completions"},
    family_row{f::completions, "completions", true, true, true, tokens::chat, broken::chat, true, "text_completion",
               "", "", "/openai/deployments/{deployment}/completions", "/openai/v1/completions"},
    family_row{f::embeddings, "embeddings", true, true, true, tokens::none, broken::chat, true, "embeddings", "", "",
               "/openai/deployments/{deployment}/embeddings", "/openai/v1/embeddings"},
    family_row{f::responses, "responses", true, true, true, tokens::responses, broken::responses, true, "chat", "",
               "responses", "", "/openai/v1/responses"},
    family_row{f::images, "images", true, false, false, tokens::none, broken::chat, true, "generate_content", "image",
               "", "/openai/deployments/{deployment}/images/generations", "/openai/v1/images/generations"},
    family_row{f::speech, "speech", false, false, false, tokens::none, broken::chat, true, "generate_content",
               "speech", "", "/openai/deployments/{deployment}/audio/speech", "/openai/v1/audio/speech"},
    family_row{f::models, "models", false, false, false, tokens::none, broken::chat, false, "", "", "",
               "/openai/models", "/openai/v1/models"},
    family_row{f::transcriptions, "transcriptions", true, false, false, tokens::none, broken::chat, false,
               "generate_content", "text", "", "/openai/deployments/{deployment}/audio/transcriptions",
               "/openai/v1/audio/transcriptions"},
    family_row{f::translations, "translations", true, false, false, tokens::none, broken::chat, false,
               "generate_content", "text", "", "/openai/deployments/{deployment}/audio/translations",
               "/openai/v1/audio/translations"},
    kept(f::conversations, "conversations"),
    kept(f::stored_chats, "stored_chats"),
    kept(f::files, "files"),
    kept(f::uploads, "uploads"),
    kept(f::batches, "batches"),
    kept(f::vector_stores, "vector_stores"),
    kept(f::assistants, "assistants"),
    family_row{f::threads, "threads", true, false, false, tokens::none, broken::chat, false, "invoke_agent", "", "",
               "", ""},
    kept(f::containers, "containers"),
    kept(f::evals, "evals"),
    kept(f::fine_tuning, "fine_tuning"),
    kept(f::videos, "videos"),
};

}  // namespace spillway::core::family_rows
