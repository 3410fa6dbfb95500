#include "origin_answers.hpp"

#include <array>
#include <cstdio>

#include <spillway/base/text.hpp>

namespace spillway::bench {
namespace {

constexpr std::string_view id = "chatcmpl-BenchBenchBenchBenchBench";

std::string plain_head(std::size_t length) {
    return "HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(length) +
           "\r\ncontent-type: application/json\r\napim-request-id: 6f1d9e0c-0000-0000-0000-000000000000\r\n"
           "x-ratelimit-limit-requests: 1000\r\nx-ratelimit-remaining-requests: 999\r\n"
           "x-ratelimit-reset-requests: 10\r\nx-ratelimit-limit-tokens: 100000\r\n"
           "x-ratelimit-remaining-tokens: 99999\r\nx-ratelimit-reset-tokens: 10\r\n"
           "x-ms-region: Sweden Central\r\nx-request-id: 00000000-0000-0000-0000-000000000000\r\n\r\n";
}

answer json_answer(std::size_t size) {
    std::string open = R"({"id":")" + std::string(id) +
                       R"(","object":"chat.completion","created":1700000000,"model":"gpt-4o-2024-11-20",)"
                       R"("choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":")";
    const std::string_view close = R"("}}],"usage":{"prompt_tokens":12,"completion_tokens":34,"total_tokens":46}})";
    if (size > open.size() + close.size()) open.append(size - open.size() - close.size(), 'y');
    open += close;
    return {{plain_head(open.size()) + open}, {}};
}

std::string chunk(std::string_view payload) {
    std::array<char, 16> size{};
    const int n = std::snprintf(size.data(), size.size(), "%zx\r\n", payload.size());
    std::string out(size.data(), static_cast<std::size_t>(n));
    return out.append(payload).append("\r\n");
}

// `tells_usage`: as Azure answers when it was asked for the usage of the stream.
answer stream_answer(std::uint64_t events, duration gap, bool tells_usage) {
    answer a{{}, gap};
    const std::string head =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
        "apim-request-id: 6f1d9e0c-0000-0000-0000-000000000000\r\nx-ms-region: Sweden Central\r\n\r\n";
    const std::string event = R"(data: {"id":")" + std::string(id) +
                              R"(","object":"chat.completion.chunk","created":1700000000,)"
                              R"("model":"gpt-4o-2024-11-20","choices":[{"index":0,"delta":{"content":" word"},)"
                              R"("finish_reason":null}])" +
                              (tells_usage ? R"(,"usage":null})" : "}") + "\n\n";
    for (std::uint64_t i = 0; i < events; ++i) a.pieces.push_back(chunk(event));
    if (tells_usage)
        a.pieces.push_back(
            chunk(R"(data: {"id":")" + std::string(id) +
                  R"(","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-2024-11-20",)"
                  R"("choices":[],"usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,)"
                  R"("prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},)"
                  R"("completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}})"
                  "\n\n"));
    a.pieces.push_back(chunk("data: [DONE]\n\n") + "0\r\n\r\n");
    a.pieces.front().insert(0, head);
    return a;
}

std::string_view deployment_of(std::string_view line) {
    constexpr std::string_view before = "/deployments/", prefix = "bench-";
    const auto at = line.find(before);
    if (at == std::string_view::npos) return {};
    line.remove_prefix(at + before.size());
    line = line.substr(0, line.find_first_of("/? "));
    if (line.starts_with(prefix)) line.remove_prefix(prefix.size());
    return line;
}

answer make(std::string_view name) {
    const auto number = [&](std::string_view s) { return text::parse_unsigned(s).value_or(0); };
    if (name.starts_with("bytes-")) return json_answer(number(name.substr(6)));
    if (const bool asked = name.starts_with("asked-"); asked || name.starts_with("sse-")) {
        name.remove_prefix(asked ? 6 : 4);
        const auto dash = name.find('-');
        const auto gap = dash == std::string_view::npos ? 0 : number(name.substr(dash + 1));
        return stream_answer(number(name.substr(0, dash)), milliseconds(gap), asked);
    }
    return json_answer(500);
}

}  // namespace

const answer& answer_book::find(std::string_view request_line) {
    const std::string_view name = deployment_of(request_line);
    if (const auto found = made_.find(name); found != made_.end()) return found->second;
    return made_.emplace(name, make(name)).first->second;
}

}  // namespace spillway::bench
