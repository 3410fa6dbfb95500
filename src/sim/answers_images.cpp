#include <algorithm>
#include <array>

#include <spillway/base/random.hpp>

#include "answer_text.hpp"
#include "identity_crypto.hpp"
#include "made_image.hpp"

namespace spillway::sim {
namespace {

class image_maker {
public:
    explicit image_maker(const call& c)
        : call_(c),
          newer_(c.deployment->model.find("gpt-image") != std::string::npos),
          edit_(c.path == "images/edits"),
          n_(std::clamp<std::uint64_t>(number_or(*c.body, "n", 1), 1, 10)) {
        constexpr std::uint64_t tokens_of_image = 272;
        const json* image = find(*c.body, "image");
        const std::uint64_t shown = image == nullptr ? 0 : image->is_array() ? image->size() : 1;
        image_tokens_ = shown * tokens_of_image;
        text_tokens_ = prompt_tokens(*c.body);
        usage_.prompt = text_tokens_ + image_tokens_;
        usage_.completion = n_ * tokens_of_image;
    }

    answer make() const {
        answer out;
        if (newer_) out.usage = usage_;
        if (true_in(*call_.body, "stream") && newer_) {
            stream(out);
            return out;
        }
        json body{{"created", call_.created}, {"data", json::array()}};
        for (std::uint64_t i = 0; i < n_; ++i) body["data"].push_back(image(i));
        if (newer_) {
            describe(body);
            body["usage"] = usage();
        }
        out.pieces.push_back({to_text(body), 0, newer_});
        return out;
    }

private:
    std::string bytes(std::uint64_t variant) const {
        return base64(made_image(call_.deployment->image_bytes, prompt_hash(*call_.body) + variant));
    }

    json image(std::uint64_t i) const {
        if (newer_) return {{"b64_json", bytes(i)}};
        json out = json::object();
        if (call_.path != "images/variations") out["revised_prompt"] = string_or(*call_.body, "prompt", "");
        if (string_or(*call_.body, "response_format", "url") == "b64_json") out["b64_json"] = bytes(i);
        else out["url"] = "https://simulator.invalid/images/" + call_.id + "/" + std::to_string(i) + ".png";
        return out;
    }

    void describe(json& to) const {
        const auto given = [this](const char* key, std::string_view otherwise) {
            const std::string value = string_or(*call_.body, key, otherwise);
            return value == "auto" ? std::string(otherwise) : value;
        };
        to["background"] = given("background", "opaque");
        to["output_format"] = given("output_format", "png");
        to["quality"] = given("quality", "high");
        to["size"] = given("size", "1024x1024");
    }

    json usage() const {
        return {{"input_tokens", usage_.prompt},
                {"input_tokens_details", {{"image_tokens", image_tokens_}, {"text_tokens", text_tokens_}}},
                {"output_tokens", usage_.completion},
                {"output_tokens_details", {{"image_tokens", usage_.completion}, {"text_tokens", 0}}},
                {"total_tokens", usage_.total()}};
    }

    void emit(answer& out, const std::string& what, json members, std::uint64_t made, bool last) const {
        const std::string type = (edit_ ? "image_edit." : "image_generation.") + what;
        json data{{"type", type}};
        data.update(members);
        data["created_at"] = call_.created;
        describe(data);
        if (last) data["usage"] = usage();
        out.pieces.push_back({event_text(data, type), made, last});
    }

    void stream(answer& out) const {
        out.streamed = true;
        out.content_type = "text/event-stream; charset=utf-8";
        const std::uint64_t partial = std::min<std::uint64_t>(3, number_or(*call_.body, "partial_images", 0));
        std::uint64_t made = 0;
        for (std::uint64_t i = 0; i < partial; ++i)
            emit(out, "partial_image", {{"b64_json", bytes(i + 1)}, {"partial_image_index", i}}, made += 10, false);
        emit(out, "completed", {{"b64_json", bytes(0)}}, made + 10, true);
    }

    const call& call_;
    bool newer_, edit_;
    std::uint64_t n_, image_tokens_{0}, text_tokens_{0};
    token_counts usage_;
};

}  // namespace

answer image_answer(const call& c) {
    const auto lacks = [&c](const char* key) { return find(*c.body, key) == nullptr; };
    const char* missing = nullptr;
    if (c.path != "images/variations" && lacks("prompt")) missing = "prompt";
    if (c.path != "images/generations" && !c.path.empty() && lacks("image")) missing = "image";
    if (missing != nullptr)
        return error_answer(400, "missing_required_parameter",
                            "Missing required parameter: '" + std::string(missing) + "'.", "invalid_request_error");
    return image_maker(c).make();
}

}  // namespace spillway::sim
