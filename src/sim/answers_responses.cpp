#include <algorithm>

#include "answer_text.hpp"
#include "encrypted_reasoning.hpp"
#include "tool_calls.hpp"

namespace spillway::sim {
namespace {

class response_maker {
public:
    explicit response_maker(const call& c) : call_(c), text_(make_text(c)) {
        usage_.prompt = prompt_tokens(*c.body) + c.context;
        usage_.completion = text_.made();
        usage_.cached = cached_tokens(c, usage_.prompt);
        usage_.reasoning = text_.reasoning;
        calls_ = tool_calls_for(c);
        if (!calls_.empty()) {
            text_.tokens.clear();
            text_.cut = false;
            usage_.completion = text_.reasoning;
        }
        for (const auto& t : calls_) usage_.completion += t.tokens();
        if (text_.reasoning > 0) output_.push_back(reasoning_item());
        for (std::size_t i = 0; i < calls_.size(); ++i) output_.push_back(call_item(i));
        if (calls_.empty()) output_.push_back(item(ending(), true));
    }

    answer make() {
        answer out;
        out.usage = usage_;
        out.streamed = true_in(*call_.body, "stream");
        const json* store = find(*call_.body, "store");
        if (store == nullptr || *store != json(false)) out.kept = response(ending(), true);
        if (!out.streamed) {
            out.pieces.push_back({to_text(response(ending(), true)), usage_.completion, true});
            return out;
        }
        out.content_type = "text/event-stream; charset=utf-8";
        stream(out);
        return out;
    }

    std::string failed_event(std::uint64_t sequence_number, std::string_view code, std::string_view message) const {
        json failed = response("failed", false);
        failed["error"] = {{"code", code}, {"message", message}};
        const json data{
            {"type", "response.failed"}, {"sequence_number", sequence_number}, {"response", std::move(failed)}};
        return event_text(data, "response.failed");
    }

private:
    std::string ending() const { return text_.cut ? "incomplete" : "completed"; }

    json part(const std::string& text) const {
        return {{"type", "output_text"}, {"annotations", json::array()}, {"logprobs", json::array()}, {"text", text}};
    }

    json item(const std::string& status, bool whole) const {
        json content = json::array();
        if (whole) content.push_back(part(text_.whole()));
        return {{"id", "msg_" + call_.id},
                {"type", "message"},
                {"status", status},
                {"content", std::move(content)},
                {"role", "assistant"}};
    }

    // What was thought, in the form that the client may give back: by id, or sealed when it asked for that.
    json reasoning_item() const {
        json out{{"id", "rs_" + call_.id}, {"type", "reasoning"}, {"summary", json::array()}};
        const json* include = find(*call_.body, "include");
        const bool sealed =
            include != nullptr && include->is_array() &&
            std::find(include->begin(), include->end(), json("reasoning.encrypted_content")) != include->end();
        if (sealed) out["encrypted_content"] = sealed_reasoning(call_.seal, call_.id);
        return out;
    }

    json call_item(std::size_t i) const {
        return {{"id", "fc_" + call_.id + (i == 0 ? "" : "_" + std::to_string(i))},
                {"type", "function_call"},
                {"status", "completed"},
                {"arguments", calls_[i].arguments},
                {"call_id", calls_[i].id},
                {"name", calls_[i].name}};
    }

    json given(const char* key, json otherwise) const {
        const json* j = find(*call_.body, key);
        if (j != nullptr) return *j;
        return otherwise;
    }

    json response(const std::string& status, bool whole) const {
        json out{{"id", "resp_" + call_.id},
                 {"object", "response"},
                 {"created_at", call_.created},
                 {"status", status},
                 {"background", true_in(*call_.body, "background")},
                 {"error", nullptr}};
        out["incomplete_details"] = status == "incomplete" ? json{{"reason", "max_output_tokens"}} : json(nullptr);
        for (const char* key : {"instructions", "max_output_tokens", "previous_response_id", "user"})
            out[key] = given(key, nullptr);
        for (const char* key : {"prompt", "max_tool_calls", "prompt_cache_key", "safety_identifier"})
            if (const json* j = find(*call_.body, key); j != nullptr) out[key] = *j;
        if (const json* j = find(*call_.body, "conversation"); j != nullptr && !j->is_null())
            out["conversation"] = j->is_string() ? json{{"id", *j}} : *j;
        out["completed_at"] = status == "completed" ? json(call_.created) : json(nullptr);
        out["metadata"] = given("metadata", json::object());
        out["model"] = call_.other_model.empty() ? call_.deployment->name : std::string(call_.other_model);
        out["output"] = json::array();
        if (whole) out["output"] = output_;
        out["parallel_tool_calls"] = given("parallel_tool_calls", true);
        out["reasoning"] = given("reasoning", {{"effort", nullptr}, {"summary", nullptr}});
        out["service_tier"] = "default";
        out["store"] = given("store", true);
        out["temperature"] = given("temperature", 1.0);
        out["text"] = given("text", {{"format", {{"type", "text"}}}});
        out["tool_choice"] = given("tool_choice", "auto");
        out["tools"] = given("tools", json::array());
        out["top_p"] = given("top_p", 1.0);
        out["truncation"] = given("truncation", "disabled");
        out["usage"] = nullptr;
        if (whole)
            out["usage"] = {{"input_tokens", usage_.prompt},
                            {"input_tokens_details", {{"cached_tokens", usage_.cached}, {"cache_write_tokens", 0}}},
                            {"output_tokens", usage_.completion},
                            {"output_tokens_details", {{"reasoning_tokens", usage_.reasoning}}},
                            {"total_tokens", usage_.total()}};
        return out;
    }

    void emit(answer& out, const char* type, json members, std::uint64_t made) {
        json data{{"type", type}, {"sequence_number", out.pieces.size()}};
        data.update(members);
        out.pieces.push_back({event_text(data, type), made});
    }

    // Members of an event that speaks about the one piece of text.
    json about_text(std::size_t index, const char* key, json value) const {
        json out{
            {"item_id", "msg_" + call_.id}, {"output_index", index}, {"content_index", 0}, {key, std::move(value)}};
        if (out.back().is_string()) out["logprobs"] = json::array();
        return out;
    }

    void stream_text(answer& out, std::size_t index, std::uint64_t& made) {
        emit(out, "response.content_part.added", about_text(index, "part", part("")), made);
        for (const auto& token : text_.tokens) {
            ++made;
            emit(out, "response.output_text.delta", about_text(index, "delta", token), made);
        }
        emit(out, "response.output_text.done", about_text(index, "text", text_.whole()), made);
        emit(out, "response.content_part.done", about_text(index, "part", part(text_.whole())), made);
    }

    void stream_call(answer& out, std::size_t index, const json& item, std::uint64_t& made) {
        const auto about = [&](const char* key, json value) -> json {
            return {{"item_id", item["id"]}, {"output_index", index}, {key, std::move(value)}};
        };
        const auto arguments = item["arguments"].get<std::string>();
        const std::uint64_t end = made + (string_or(item, "name", "").size() + arguments.size() + 3) / 4;
        for (const auto& part : in_pieces(arguments)) {
            made = std::min(made + 1, end);
            emit(out, "response.function_call_arguments.delta", about("delta", part), made);
        }
        made = end;
        json done = about("arguments", arguments);
        done["name"] = item["name"];
        emit(out, "response.function_call_arguments.done", std::move(done), made);
    }

    // The item as it is when it begins.
    json begun(const json& item) const {
        json out = item;
        const std::string type = string_or(item, "type", "");
        if (type == "message") return this->item("in_progress", false);
        if (type == "function_call") out["status"] = "in_progress", out["arguments"] = "";
        return out;
    }

    void stream(answer& out) {
        const bool background = true_in(*call_.body, "background");
        const json first = response(background ? "queued" : "in_progress", false);
        emit(out, "response.created", {{"response", first}}, 0);
        if (background) emit(out, "response.queued", {{"response", first}}, 0);
        emit(out, "response.in_progress", {{"response", response("in_progress", false)}}, 0);
        std::uint64_t made = 0;
        for (std::size_t i = 0; i < output_.size(); ++i) {
            const json& one = output_[i];
            const std::string type = string_or(one, "type", "");
            emit(out, "response.output_item.added", {{"output_index", i}, {"item", begun(one)}}, made);
            if (type == "reasoning") made += text_.reasoning;
            else if (type == "function_call") stream_call(out, i, one, made);
            else stream_text(out, i, made);
            emit(out, "response.output_item.done", {{"output_index", i}, {"item", one}}, made);
        }
        emit(out, text_.cut ? "response.incomplete" : "response.completed", {{"response", response(ending(), true)}},
             made);
        out.pieces.back().tells_usage = true;
    }

    const call& call_;
    made_text text_;
    std::vector<tool_call> calls_;
    json output_ = json::array();
    token_counts usage_;
};

}  // namespace

std::string failed_response_event(const call& c, std::uint64_t sequence_number, std::string_view code,
                                  std::string_view message) {
    return response_maker(c).failed_event(sequence_number, code, message);
}

answer response_answer(const call& c) {
    const auto has = [&c](const char* key) { return find(*c.body, key) != nullptr; };
    if (!has("input") && !has("previous_response_id") && !has("prompt") && !has("conversation"))
        return error_answer(400, "missing_required_parameter", "Missing required parameter: 'input'.",
                            "invalid_request_error");
    return response_maker(c).make();
}

}  // namespace spillway::sim
