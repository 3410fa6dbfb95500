#include "answer.hpp"

namespace spillway::sim {

std::string_view name_of(operation op) noexcept {
    switch (op) {
        case operation::chat: return "ChatCompletions_Create";
        case operation::completions: return "Completions_Create";
        case operation::embeddings: return "Embeddings_Create";
        case operation::responses: return "Responses_Create";
        case operation::images: return "ImageGenerations_Create";
        case operation::speech: return "Audio_Speech";
        case operation::transcription: return "Audio_Transcription";
        case operation::models: return "Models_List";
        case operation::family:
        case operation::stored:
        case operation::unknown: break;
    }
    return "Operation";
}

answer answer::of(int status, const json& body) {
    answer out;
    out.status = status;
    out.pieces.push_back({to_text(body), 0, find(body, "usage") != nullptr});
    return out;
}

std::string event_text(const json& data, std::string_view name) {
    std::string out;
    if (!name.empty()) out.append("event: ").append(name).append("\n");
    return out.append("data: ").append(to_text(data)).append("\n\n");
}

std::string failure_event(const call& c, std::uint64_t events_before, std::string_view code, std::string_view message,
                          failure_form form, int status) {
    if (c.op != operation::responses) {
        json body =
            error_body(code, message, status >= 400 && status < 500 ? "invalid_request_error" : "server_error");
        if (status != 0) body["error"]["status"] = status;
        return event_text(body);
    }
    if (form == failure_form::usual) form = events_before > 0 ? failure_form::failed : failure_form::error;
    std::string out;
    if (form != failure_form::failed)
        out = event_text({{"type", "error"},
                          {"sequence_number", events_before},
                          {"code", code},
                          {"message", message},
                          {"param", nullptr}},
                         "error");
    if (form == failure_form::error) return out;
    return out + failed_response_event(c, events_before + (out.empty() ? 0 : 1), code, message);
}

json error_body(std::string_view code, std::string_view message, std::string_view type) {
    json error;
    if (code.empty()) error["code"] = nullptr;
    else error["code"] = code;
    error["message"] = message;
    if (!type.empty()) {
        error["type"] = type;
        error["param"] = nullptr;
    }
    return {{"error", std::move(error)}};
}

answer error_answer(int status, std::string_view code, std::string_view message, std::string_view type) {
    return answer::of(status, error_body(code, message, type));
}

answer answer_to(const call& c) {
    switch (c.op) {
        case operation::chat: return chat_answer(c);
        case operation::completions: return completion_answer(c);
        case operation::embeddings: return embeddings_answer(c);
        case operation::responses: return response_answer(c);
        case operation::images: return image_answer(c);
        case operation::speech: return speech_answer(c);
        case operation::transcription: return transcription_answer(c);
        case operation::family:
        case operation::models:
        case operation::stored:
        case operation::unknown: break;
    }
    return error_answer(404, "404", "Resource not found");
}

}  // namespace spillway::sim
