#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/base/time.hpp>

#include "blob.hpp"
#include "json_tools.hpp"
#include "message.hpp"
#include "options.hpp"

namespace spillway::sim {

// What a request may ask for.
enum class operation : std::uint8_t {
    chat,
    completions,
    embeddings,
    responses,
    images,
    speech,
    transcription,
    family,  // of a family; a deployment that takes part
    models,  // no deployment takes part
    stored,  // files, threads ...: things that live on the instance, by id
    unknown,
};
// As Azure's messages call it.
std::string_view name_of(operation op) noexcept;

struct token_counts {
    std::uint64_t prompt{0}, completion{0};
    std::uint64_t cached{0}, reasoning{0};  // parts of the above
    std::uint64_t total() const noexcept { return prompt + completion; }
    token_counts& operator+=(const token_counts& o) noexcept {
        prompt += o.prompt;
        completion += o.completion;
        cached += o.cached;
        reasoning += o.reasoning;
        return *this;
    }
};

// One event of a stream, or a whole body. It is due when that many tokens have been made.
struct piece {
    std::string bytes;
    std::uint64_t after_tokens{0};
    bool tells_usage{false};
};

struct answer {
    int status{200};
    std::string content_type{"application/json"};
    header_list headers;
    bool streamed{false};
    std::vector<piece> pieces;
    std::shared_ptr<const blob> content;  // the body, instead of pieces; null: the pieces are
    token_counts usage;
    json kept;  // what the instance remembers under its id; null: nothing

    static answer of(int status, const json& body);
};

// All that an answer follows from.
struct call {
    operation op{operation::unknown};
    const deployment_options* deployment{nullptr};
    const json* body{nullptr};
    const form_data* form{nullptr};  // what the body was made of, when it was a form
    std::string_view path;           // below /openai/ or the deployment, such as "audio/translations"
    std::string_view api_version;    // empty on v1
    std::string id;                  // what makes the answer's ids unique
    std::int64_t created{0};         // seconds since 1970
    std::string_view seal;           // what encrypted reasoning is tied to
    std::uint64_t context{0};        // tokens of earlier turns that the instance knows
    std::string_view other_model;    // told instead of the deployment's own; empty: the deployment's

    std::string told_model() const {
        return other_model.empty() ? deployment->full_model() : std::string(other_model);
    }
};

answer chat_answer(const call& c);
answer completion_answer(const call& c);
answer embeddings_answer(const call& c);
answer response_answer(const call& c);
answer image_answer(const call& c);
answer speech_answer(const call& c);
answer transcription_answer(const call& c);
answer answer_to(const call& c);
// The last event of a responses stream that fails.
std::string failed_response_event(const call& c, std::uint64_t sequence_number, std::string_view code,
                                  std::string_view message);

// "data: {...}\n\n", with the line "event: name" before it when there is a name.
std::string event_text(const json& data, std::string_view name = {});

// How a stream of Responses tells of a failure: `error` as a first event, `response.failed` later, or one of them, or
// both, whatever came before.
enum class failure_form : std::uint8_t { usual, error, failed, both };
// What a stream of this operation says when the model fails after `events_before` events, with its framing.
std::string failure_event(const call& c, std::uint64_t events_before, std::string_view code, std::string_view message,
                          failure_form form = failure_form::usual, int status = 0);

// Azure's error body.
json error_body(std::string_view code, std::string_view message, std::string_view type = {});
answer error_answer(int status, std::string_view code, std::string_view message, std::string_view type = {});

}  // namespace spillway::sim
