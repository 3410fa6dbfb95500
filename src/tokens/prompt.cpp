#include <spillway/tokens/estimator.hpp>

#include "json_parts.hpp"

// What is documented is counted as documented; the rest is a stated guess. Members that a model does not see (ids,
// settings) count nothing, and neither do the bytes of images, sound and files.
namespace spillway::tokens {
namespace {

using http::json_kind;

constexpr std::size_t per_message = 3, per_name = 1, per_answer = 3;
constexpr std::size_t low_image = 85;  // documented
constexpr std::size_t image = 765;     // of 1024 x 1024 in high detail; the real size would have to be decoded
constexpr std::size_t sound = 300;     // half a minute; a guess
constexpr std::size_t file = 765;      // one page as an image; a guess

struct object {
    // Names at most json_query::max_wanted members.
    template <class... Name>
    explicit object(std::string_view raw, Name... names) noexcept {
        (query.want(names), ...);
        good = http::scan_json_object(raw, query) == http::json_error::none;
    }
    // As spelled; empty when it is not there.
    std::string_view operator[](std::string_view name) const noexcept {
        const auto* m = query.find(name);
        return m ? m->raw : std::string_view();
    }
    bool has(std::string_view name) const noexcept {
        const auto kind = kind_of((*this)[name]);
        return kind != json_kind::absent && kind != json_kind::null;
    }
    http::json_query query;
    bool good{false};
};

class prompt_counter {
public:
    explicit prompt_counter(encoding e) noexcept : encoding_(e) {}

    std::size_t body(std::string_view raw) const {
        const object o(raw, "messages", "prompt", "input", "instructions", "tools", "functions", "response_format",
                       "text", "stream", "max_output_tokens", "previous_response_id", "store");
        if (!o.good) return count(raw, encoding_);
        std::size_t n = definitions(o["tools"]) + definitions(o["functions"]) + schema(o["response_format"]);
        if (const auto m = o["messages"]; kind_of(m) == json_kind::array) {
            for_each_element(m, [&](std::string_view each) { n += message(each); });
            return n + per_answer;
        }
        if (o.has("messages")) return n + text(o["messages"]);
        if (o.has("prompt")) return n + plain(o["prompt"]);
        if (o.has("input") || o.has("instructions")) return n + input(o);
        return count(raw, encoding_);
    }

private:
    // A string by what it says, everything else by its JSON text.
    std::size_t text(std::string_view raw) const {
        switch (kind_of(raw)) {
            case json_kind::absent:
            case json_kind::null: return 0;
            case json_kind::string: return count_escaped(inside(raw), encoding_);
            default: return count(compact(raw), encoding_);
        }
    }

    // Completions and embeddings: a string, strings, token ids, or arrays of token ids. Not deeper than that.
    std::size_t plain(std::string_view raw, int depth = 0) const {
        if (kind_of(raw) == json_kind::number) return 1;
        if (kind_of(raw) != json_kind::array || depth == 2) return text(raw);
        std::size_t n = 0;
        for_each_element(raw, [&](std::string_view each) { n += plain(each, depth + 1); });
        return n;
    }

    // `input` belongs to embeddings and to Responses alike. Objects, or a member that embeddings do not have, tell.
    std::size_t input(const object& o) const {
        const auto raw = o["input"];
        bool dialogue = false;
        for (const auto name :
             {"instructions", "tools", "text", "stream", "max_output_tokens", "previous_response_id", "store"})
            dialogue = dialogue || o.has(name);
        std::size_t n = 0;
        if (kind_of(raw) == json_kind::array)
            for_each_element(raw, [&](std::string_view each) {
                const bool item = kind_of(each) == json_kind::object;
                dialogue = dialogue || item;
                n += item ? message(each) : plain(each, 1);
            });
        else n += plain(raw);
        if (!dialogue) return n;
        if (kind_of(raw) == json_kind::string) n += per_message + 1;  // one token for the role
        if (o.has("instructions")) n += per_message + 1 + content(o["instructions"]);
        if (kind_of(o["text"]) == json_kind::object) n += schema(object(o["text"], "format")["format"]);
        return n + per_answer;
    }

    // Also the items of Responses: messages, calls of functions and their outputs, summaries of reasoning.
    std::size_t message(std::string_view raw) const {
        if (kind_of(raw) != json_kind::object) return text(raw);
        const object o(raw, "role", "content", "name", "refusal", "tool_calls", "function_call", "type", "arguments",
                       "output", "summary", "text", "image_url");
        if (!o.good) return text(raw);
        if (!o.has("role") && (o.has("text") || o.has("image_url"))) return part(raw);
        std::size_t n = per_message + text(o["role"]) + content(o["content"]) + text(o["refusal"]) +
                        text(o["arguments"]) + content(o["output"]) + content(o["summary"]) +
                        call(o["function_call"]);
        if (o.has("name")) n += per_name + text(o["name"]);
        if (const auto calls = o["tool_calls"]; kind_of(calls) == json_kind::array)
            for_each_element(calls, [&](std::string_view each) {
                if (kind_of(each) != json_kind::object) return;
                const object one(each, "function", "custom");
                n += call(one["function"]) + call(one["custom"]);
            });
        return n;
    }

    std::size_t call(std::string_view raw) const {
        if (kind_of(raw) != json_kind::object) return 0;
        const object o(raw, "name", "arguments", "input");
        return o.good ? text(o["name"]) + text(o["arguments"]) + text(o["input"]) : text(raw);
    }

    std::size_t content(std::string_view raw) const {
        if (kind_of(raw) == json_kind::object) return part(raw);
        if (kind_of(raw) != json_kind::array) return text(raw);
        std::size_t n = 0;
        for_each_element(
            raw, [&](std::string_view each) { n += kind_of(each) == json_kind::object ? part(each) : text(each); });
        return n;
    }

    std::size_t part(std::string_view raw) const {
        const object o(raw, "type", "text", "refusal", "image_url", "detail", "input_audio");
        if (!o.good) return text(raw);
        if (o.has("text")) return text(o["text"]);
        if (o.has("refusal")) return text(o["refusal"]);
        const auto type = o["type"];
        if (o.has("image_url") || type == "\"input_image\"" || type == "\"image_url\"") {
            auto detail = o["detail"];
            if (kind_of(o["image_url"]) == json_kind::object) detail = object(o["image_url"], "detail")["detail"];
            return detail == "\"low\"" ? low_image : image;
        }
        if (o.has("input_audio") || type == "\"input_audio\"") return sound;
        if (type == "\"file\"" || type == "\"input_file\"") return file;
        return text(raw);
    }

    // How models are shown their tools is not published; their JSON text is an upper bound in practice.
    std::size_t definitions(std::string_view raw) const { return kind_of(raw) == json_kind::array ? text(raw) : 0; }

    std::size_t schema(std::string_view format) const {
        if (kind_of(format) != json_kind::object) return 0;
        const object o(format, "json_schema", "schema");
        return text(o["json_schema"]) + text(o["schema"]);
    }

    encoding encoding_;
};

}  // namespace

std::size_t count_prompt(std::string_view body, encoding e) { return prompt_counter(e).body(body); }

}  // namespace spillway::tokens
