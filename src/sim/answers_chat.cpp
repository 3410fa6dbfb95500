#include <algorithm>

#include "answer_text.hpp"
#include "tool_calls.hpp"

// Chat completions and the older completions: two shapes of one thing.
namespace spillway::sim {
namespace {

json prompt_filter() {
    return json::array({json{{"prompt_index", 0}, {"content_filter_results", filter_results()}}});
}

std::string finish_reason(const made_text& t) { return t.cut ? "length" : "stop"; }

json call_json(const tool_call& t, const std::string& arguments) {
    return {{"id", t.id}, {"type", "function"}, {"function", {{"name", t.name}, {"arguments", arguments}}}};
}

// As it stands between the quotes of a JSON text.
std::string escaped(const std::string& text) {
    const std::string quoted = to_text(json(text));
    return quoted.substr(1, quoted.size() - 2);
}

class chat_maker {
public:
    explicit chat_maker(const call& c) : call_(c), chat_(c.op == operation::chat) {
        const std::uint64_t n = std::clamp<std::uint64_t>(number_or(*c.body, "n", 1), 1, 16);
        for (std::uint64_t i = 0; i < n; ++i) texts_.push_back(make_text(c, i));
        usage_.prompt = prompt_tokens(*c.body);
        usage_.cached = cached_tokens(c, usage_.prompt);
        calls_ = tool_calls_for(c);
        if (!calls_.empty()) {
            texts_.resize(1);
            texts_[0].tokens.clear();
            texts_[0].cut = false;
        }
        for (const auto& t : calls_) usage_.completion += t.tokens();
        for (const auto& t : texts_) {
            usage_.completion += t.made();
            usage_.reasoning += t.reasoning;
        }
    }

    answer make() {
        answer out;
        out.usage = usage_;
        out.streamed = true_in(*call_.body, "stream");
        if (chat_ && true_in(*call_.body, "store")) out.kept = whole();
        if (out.streamed) {
            out.content_type = "text/event-stream; charset=utf-8";
            stream(out);
        } else {
            out.pieces.push_back({to_text(whole()), usage_.completion, true});
        }
        return out;
    }

private:
    std::string ending(const made_text& t) const { return calls_.empty() ? finish_reason(t) : "tool_calls"; }

    json calling_message() const {
        json calls = json::array();
        for (const auto& t : calls_) calls.push_back(call_json(t, t.arguments));
        return {{"content", nullptr}, {"refusal", nullptr}, {"role", "assistant"}, {"tool_calls", std::move(calls)}};
    }

    // The first chunk of a call names it, the others bring its arguments.
    void stream_calls(answer& out, std::uint64_t& made) const {
        const auto emit = [&](json one) {
            json delta{{"tool_calls", json::array({std::move(one)})}};
            out.pieces.push_back({event_text(chunk(choice(0, std::move(delta), nullptr, false))), made});
        };
        for (std::size_t i = 0; i < calls_.size(); ++i) {
            json first = call_json(calls_[i], "");
            first["index"] = i;
            emit(std::move(first));
            const std::uint64_t end = made + calls_[i].tokens();
            for (const auto& part : in_pieces(calls_[i].arguments)) {
                made = std::min(made + 1, end);
                emit({{"index", i}, {"function", {{"arguments", part}}}});
            }
            made = end;
        }
    }

    std::string id() const { return (chat_ ? "chatcmpl-" : "cmpl-") + call_.id; }

    json whole() const {
        json choices = json::array();
        for (std::size_t i = 0; i < texts_.size(); ++i) {
            const auto& t = texts_[i];
            json choice{{"content_filter_results", filter_results()}, {"finish_reason", ending(t)}, {"index", i}};
            choice["logprobs"] = nullptr;
            if (!calls_.empty()) choice["message"] = calling_message();
            else if (chat_) choice["message"] = {{"content", t.whole()}, {"refusal", nullptr}, {"role", "assistant"}};
            else choice["text"] = t.whole();
            choices.push_back(std::move(choice));
        }
        return {{"choices", std::move(choices)},
                {"created", call_.created},
                {"id", id()},
                {"model", call_.told_model()},
                {"object", chat_ ? "chat.completion" : "text_completion"},
                {"prompt_filter_results", prompt_filter()},
                {"system_fingerprint", "fp_simulator"},
                {"usage", usage_json(usage_)}};
    }

    json chunk(json choices) const {
        json out{{"choices", std::move(choices)},
                 {"created", call_.created},
                 {"id", id()},
                 {"model", call_.told_model()},
                 {"object", chat_ ? "chat.completion.chunk" : "text_completion"},
                 {"system_fingerprint", "fp_simulator"}};
        if (wants_usage()) out["usage"] = nullptr;
        return out;
    }

    json choice(std::size_t index, json content, json finish, bool filtered) const {
        json out;
        if (filtered) out["content_filter_results"] = filter_results();
        out[chat_ ? "delta" : "text"] = std::move(content);
        out["finish_reason"] = std::move(finish);
        out["index"] = index;
        out["logprobs"] = nullptr;
        return json::array({std::move(out)});
    }

    bool wants_usage() const {
        const json* o = find(*call_.body, "stream_options");
        return o != nullptr && true_in(*o, "include_usage");
    }

    // Azure begins with a chunk that has no choices, which breaks readers of choices[0].
    void stream(answer& out) const {
        json first{{"choices", json::array()},
                   {"created", 0},
                   {"id", ""},
                   {"model", ""},
                   {"object", ""},
                   {"prompt_filter_results", prompt_filter()}};
        if (wants_usage()) first["usage"] = nullptr;
        out.pieces.push_back({event_text(first), 0});
        std::uint64_t made = 0;
        for (std::size_t i = 0; i < texts_.size(); ++i) {
            const auto& t = texts_[i];
            made += t.reasoning;
            if (chat_) {
                const json role{{"content", calls_.empty() ? json("") : json(nullptr)},
                                {"refusal", nullptr},
                                {"role", "assistant"}};
                out.pieces.push_back({event_text(chunk(choice(i, role, nullptr, false))), made});
            }
            if (i == 0) stream_calls(out, made);
            // All chunks of the words are one but for the word.
            constexpr std::string_view mark = "@word@";
            json content = chat_ ? json{{"content", mark}} : json(mark);
            const std::string form = event_text(chunk(choice(i, std::move(content), nullptr, true)));
            const auto at = form.find(mark);
            for (const auto& token : t.tokens)
                out.pieces.push_back({form.substr(0, at) + escaped(token) + form.substr(at + mark.size()), ++made});
            json nothing = chat_ ? json::object() : json("");
            out.pieces.push_back({event_text(chunk(choice(i, std::move(nothing), ending(t), false))), made});
        }
        if (wants_usage()) {
            json last = chunk(json::array());
            last["usage"] = usage_json(usage_);
            out.pieces.push_back({event_text(last), made, true});
        }
        out.pieces.push_back({"data: [DONE]\n\n", made});
    }

    const call& call_;
    bool chat_;
    std::vector<made_text> texts_;
    std::vector<tool_call> calls_;
    token_counts usage_;
};

// Versions before the option's own do not know it; v1 has no version.
bool too_old_for_usage(const call& c) {
    constexpr std::string_view first_with_it = "2024-09-01";
    return !c.api_version.empty() && find(*c.body, "stream_options") != nullptr &&
           c.api_version.substr(0, first_with_it.size()) < first_with_it;
}

answer refuse_stream_options() {
    return error_answer(400, {}, "Unrecognized request argument supplied: stream_options", "invalid_request_error");
}

}  // namespace

answer chat_answer(const call& c) {
    if (too_old_for_usage(c)) return refuse_stream_options();
    const json* messages = find(*c.body, "messages");
    if (messages == nullptr || !messages->is_array() || messages->empty())
        return error_answer(400, {}, "'messages' is a required property and may not be empty.",
                            "invalid_request_error");
    return chat_maker(c).make();
}

answer completion_answer(const call& c) {
    return too_old_for_usage(c) ? refuse_stream_options() : chat_maker(c).make();
}

}  // namespace spillway::sim
