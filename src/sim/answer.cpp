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

std::string failure_event(const call& c, std::uint64_t events_before, std::string_view code,
                          std::string_view message) {
    if (c.op != operation::responses) return event_text(error_body(code, message, "server_error"));
    if (events_before > 0) return failed_response_event(c, events_before, code, message);
    const json data{
        {"type", "error"}, {"sequence_number", 0}, {"code", code}, {"message", message}, {"param", nullptr}};
    return event_text(data, "error");
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
        case operation::models:
        case operation::stored:
        case operation::unknown: break;
    }
    return error_answer(404, "404", "Resource not found");
}

}  // namespace spillway::sim
