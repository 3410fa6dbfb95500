#include <algorithm>
#include <cstdio>

#include <spillway/base/random.hpp>
#include <spillway/base/text.hpp>

#include "answer_text.hpp"
#include "identity_crypto.hpp"

namespace spillway::sim {
namespace {

answer unsupported(const char* member, const std::string& value) {
    json body =
        error_body("unsupported_value", std::string(member) + " '" + value + "' is not supported with this model.",
                   "invalid_request_error");
    body["error"]["param"] = member;
    return answer::of(400, body);
}

std::string_view speech_type(std::string_view format) {
    if (format == "opus") return "audio/ogg";
    if (format == "aac") return "audio/aac";
    if (format == "flac") return "audio/flac";
    if (format == "wav") return "audio/wav";
    return format == "pcm" ? "audio/pcm" : "audio/mpeg";
}

// "00:00:01,500" or, for WebVTT, "00:00:01.500".
std::string timestamp(double at, char mark) {
    const auto all = static_cast<unsigned>(at * 1000);
    char out[40];
    std::snprintf(out, sizeof out, "%02u:%02u:%02u%c%03u", all / 3600000, all / 60000 % 60, all / 1000 % 60, mark,
                  all % 1000);
    return out;
}

class transcriber {
public:
    explicit transcriber(const call& c) : call_(c), text_(make_text(c)), whole_(text_.whole()) {
        const json* file = find(*c.body, "file");
        const std::uint64_t bytes = file != nullptr ? number_or(*file, "bytes", 0) : 0;
        constexpr std::uint64_t bytes_per_second = 16000, tokens_per_second = 10;
        seconds_ = std::max<std::uint64_t>(1, bytes / bytes_per_second);
        usage_.prompt = seconds_ * tokens_per_second;
        usage_.completion = text_.made();
    }

    answer make() {
        const std::string format = string_or(*call_.body, "response_format", "json");
        const bool newer = call_.deployment->model.find("transcribe") != std::string::npos;
        if (newer && format != "json" && format != "text") return unsupported("response_format", format);
        answer out;
        out.usage = usage_;
        // Whisper does not stream, whatever it is asked for.
        const bool whisper = call_.deployment->model.find("whisper") != std::string::npos;
        if (true_in(*call_.body, "stream") && !whisper && call_.path != "audio/translations") {
            stream(out);
            return out;
        }
        std::string body;
        if (format == "json") body = to_text(json{{"text", whole_}, {"usage", newer ? token_usage() : time_usage()}});
        else if (format == "verbose_json") body = to_text(verbose());
        else if (format == "text") body = whole_ + "\n";
        else if (format == "srt") body = "1\n" + range(',') + "\n" + whole_ + "\n\n";
        else if (format == "vtt") body = "WEBVTT\n\n" + range('.') + "\n" + whole_ + "\n\n";
        else return unsupported("response_format", format);
        if (!format.ends_with("json")) out.content_type = "text/plain; charset=utf-8";
        out.pieces.push_back({std::move(body), usage_.completion, format.ends_with("json")});
        return out;
    }

private:
    json token_usage() const {
        return {{"type", "tokens"},
                {"input_tokens", usage_.prompt},
                {"input_token_details", {{"text_tokens", 0}, {"audio_tokens", usage_.prompt}}},
                {"output_tokens", usage_.completion},
                {"total_tokens", usage_.total()}};
    }

    json time_usage() const { return {{"type", "duration"}, {"seconds", seconds_}}; }

    std::string range(char mark) const {
        return timestamp(0, mark) + " --> " + timestamp(static_cast<double>(seconds_), mark);
    }

    bool wants_words() const {
        const json* wanted = find(*call_.body, "timestamp_granularities");
        return wanted != nullptr && wanted->is_array() &&
               std::find(wanted->begin(), wanted->end(), json("word")) != wanted->end();
    }

    json verbose() const {
        const auto length = static_cast<double>(seconds_);
        json out{{"task", call_.path == "audio/translations" ? "translate" : "transcribe"},
                 {"language", string_or(*call_.body, "language", "english")},
                 {"duration", length},
                 {"text", whole_},
                 {"segments", json::array()}};
        out["segments"].push_back({{"id", 0},
                                   {"seek", 0},
                                   {"start", 0.0},
                                   {"end", length},
                                   {"text", whole_},
                                   {"tokens", json::array({50364, 50365})},
                                   {"temperature", 0.0},
                                   {"avg_logprob", -0.2},
                                   {"compression_ratio", 1.1},
                                   {"no_speech_prob", 0.01}});
        out["usage"] = time_usage();
        if (!wants_words()) return out;
        out["words"] = json::array();
        const double each = length / static_cast<double>(std::max<std::size_t>(1, text_.tokens.size()));
        for (std::size_t i = 0; i < text_.tokens.size(); ++i)
            out["words"].push_back({{"word", text::trim(text_.tokens[i])},
                                    {"start", each * static_cast<double>(i)},
                                    {"end", each * static_cast<double>(i + 1)}});
        return out;
    }

    void stream(answer& out) const {
        out.streamed = true;
        out.content_type = "text/event-stream; charset=utf-8";
        std::uint64_t made = text_.reasoning;
        for (const auto& token : text_.tokens)
            out.pieces.push_back({event_text({{"type", "transcript.text.delta"}, {"delta", token}}), ++made});
        out.pieces.push_back(
            {event_text({{"type", "transcript.text.done"}, {"text", whole_}, {"usage", token_usage()}}), made, true});
    }

    const call& call_;
    made_text text_;
    std::string whole_;
    std::uint64_t seconds_{1};
    token_counts usage_;
};

}  // namespace

// Random bytes instead of sound, in pieces as they would be made.
answer speech_answer(const call& c) {
    answer out;
    const bool events = string_or(*c.body, "stream_format", "audio") == "sse";
    out.content_type = events ? "text/event-stream; charset=utf-8"
                              : std::string(speech_type(string_or(*c.body, "response_format", "mp3")));
    out.streamed = true;
    out.usage.prompt = prompt_tokens(*c.body);
    out.usage.completion = c.deployment->answer_tokens;
    random_source random(prompt_hash(*c.body));
    for (std::uint64_t i = 0; i < c.deployment->answer_tokens; ++i) {
        std::string block(512, '\0');
        for (auto& byte : block) byte = static_cast<char>(random.next() >> 56);
        if (events) block = event_text({{"type", "speech.audio.delta"}, {"audio", base64(block)}});
        out.pieces.push_back({std::move(block), i});
    }
    if (!events) return out;
    const json usage{{"input_tokens", out.usage.prompt},
                     {"output_tokens", out.usage.completion},
                     {"total_tokens", out.usage.total()}};
    out.pieces.push_back(
        {event_text({{"type", "speech.audio.done"}, {"usage", usage}}), c.deployment->answer_tokens, true});
    return out;
}

answer transcription_answer(const call& c) {
    if (find(*c.body, "file") == nullptr)
        return error_answer(400, "missing_required_parameter", "Missing required parameter: 'file'.",
                            "invalid_request_error");
    return transcriber(c).make();
}

}  // namespace spillway::sim
