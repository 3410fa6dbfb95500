#include "terms.hpp"

#include <algorithm>

#include <spillway/base/text.hpp>
#include <spillway/http/utf8.hpp>

namespace spillway::proxy {
namespace {

constexpr std::size_t end_user_kept = 128;
// More than any model writes; what clients ask for beyond it is no figure to reckon with.
constexpr std::uint64_t most_answer = 10'000'000;
constexpr std::uint64_t most_choices = 128;

fault bad_body(std::string message) {
    return {.code = "BadRequest", .who = origin::client, .status = 400, .message = std::move(message)};
}

}  // namespace

terms_reader::question::question(core::family f)
    : responses(core::row_of(f).limit == core::answer_limit::responses),
      chats(core::row_of(f).limit == core::answer_limit::chat),
      stream(q.want("stream")),
      user(q.want("user")),
      model(q.want("model")),
      options(chats ? q.want("stream_options") : stream),
      most(chats ? q.want("max_tokens") : stream),
      most_completion(chats ? q.want("max_completion_tokens") : stream),
      choices(chats ? q.want("n") : stream),
      most_output(responses ? q.want("max_output_tokens") : stream),
      own_data{q.want("data_sources"), q.want("dataSources")},
      said(f) {
    said.attach(q);
}

terms_reader::terms_reader(std::string_view body, const core::operation& op, const terms_wanted& wanted)
    : body_(body), op_(op), wanted_(wanted), asked_(op.family) {}

std::optional<fault> terms_reader::read(request_terms& out, body_marks& marks) {
    not_utf8_ = !http::is_utf8(body_);
    if (!not_utf8_) error_ = http::scan_json_object(body_, asked_.q);
    return take(out, marks);
}

bool terms_reader::go_on() {
    if (not_utf8_) return true;
    if (checked_ < body_.size()) {
        const auto rest = body_.substr(checked_);
        const auto n = http::whole_characters(rest, terms_slice);
        not_utf8_ = !http::is_utf8(rest.substr(0, n));
        checked_ += n;
        return not_utf8_;
    }
    if (!json_) json_.emplace(body_, asked_.q);
    if (!prompt_) {
        if (!json_->go_on(terms_slice)) return false;
        error_ = json_->result();
        if (error_ != http::json_error::none || !wanted_.prompt) return true;
        prompt_.emplace(body_);
        return false;
    }
    return prompt_->go_on(terms_slice);
}

std::optional<fault> terms_reader::finish(request_terms& out, body_marks& marks) {
    auto f = take(out, marks);
    if (prompt_) out.prompt_bytes = prompt_->bytes();
    return f;
}

std::optional<fault> terms_reader::take(request_terms& out, body_marks& marks) {
    if (not_utf8_) return bad_body("The request body is not UTF-8. Send JSON in UTF-8.");
    const auto& q = asked_.q;
    if (error_ != http::json_error::none)
        return bad_body("The request body is no usable JSON object: " + std::string(http::describe(error_)) +
                        " (at byte " + std::to_string(q.error_offset()) + ").");
    out.streams = q[asked_.stream].is_true() && op_.stream != core::stream_shape::none &&
                  op_.stream != core::stream_shape::bytes;
    take_user(out, marks);
    take_limits(out);
    if (asked_.chats && out.streams && wanted_.asks_usage) {
        const auto edit = http::ask_for_usage(body_, q, q[asked_.options]);
        marks.may_ask = edit.has_value();
        if (edit) marks.ask = *edit;
    }
    if (auto f = take_name(marks)) return f;
    marks.needs = asked_.said.take_needs();
    if (!wanted_.objects && !marks.needs.state.empty()) return core::stateful_request(marks.needs.state);
    if (!marks.needs.unknown.empty()) return core::stateful_request(marks.needs.unknown);
    for (const auto at : asked_.own_data)
        if (q[at].lookalike)
            return bad_body("The request body has a member that could be taken for \"data_sources\".");
    return std::nullopt;
}

std::optional<fault> terms_reader::take_name(body_marks& marks) const {
    const auto& model = asked_.q[asked_.model];
    if (model.lookalike)
        return bad_body(
            "The request body has a member that could be taken for \"model\". Send \"model\" once, in this very "
            "spelling.");
    const bool named_here = op_.name_place == core::name_place::body_model;
    if (wanted_.has_openai && (named_here || op_.name_place == core::name_place::path)) place_model(marks);
    if (!named_here) return std::nullopt;
    if (!model.present() && op_.name_optional) return std::nullopt;
    if (!model.present())
        return bad_body("The member \"model\" with the name of a deployment is missing from the request body.");
    if (model.kind != http::json_kind::string)
        return bad_body("The member \"model\" of the request body has to be a string, the name of a deployment.");
    marks.name_in_body = model.raw;
    std::array<char, 256> memory;
    const auto name = model.raw.size() <= memory.size() ? http::decode_json_string(model.raw, memory) : std::nullopt;
    if (!name || name->empty()) return bad_body("The member \"model\" is no usable deployment name.");
    marks.deployment = *name;
    return std::nullopt;
}

// Where the backend's own name goes: servers of kind openai know no deployment in the path.
void terms_reader::place_model(body_marks& marks) const {
    const auto& q = asked_.q;
    const auto& model = q[asked_.model];
    if (model.present()) marks.model_place = {model.offset, model.raw.size(), false};
    else marks.model_place = {q.open_offset() + 1, 0, q.members() == 0};
}

void terms_reader::take_limits(request_terms& out) const {
    const auto& q = asked_.q;
    const auto number = [&q](std::size_t at) {
        return q[at].kind == http::json_kind::number ? text::parse_unsigned(q[at].raw) : std::nullopt;
    };
    if (asked_.chats) {
        out.answer_limit = number(asked_.most_completion) ? number(asked_.most_completion) : number(asked_.most);
        out.choices = std::clamp<std::uint64_t>(number(asked_.choices).value_or(1), 1, most_choices);
    } else if (asked_.responses) {
        out.answer_limit = number(asked_.most_output);
    }
    if (out.answer_limit) out.answer_limit = std::min(*out.answer_limit, most_answer);
}

void terms_reader::take_user(request_terms& out, body_marks& marks) const {
    const auto& user = asked_.q[asked_.user];
    if (user.kind != http::json_kind::string) return;
    marks.user = user.raw;
    if (!wanted_.end_users) return;
    std::array<char, 1024> memory;
    const auto decoded = user.raw.size() <= memory.size() ? http::decode_json_string(user.raw, memory) : std::nullopt;
    if (!decoded) return;
    auto size = std::min(decoded->size(), end_user_kept);
    // Not in the middle of a character.
    while (size > 0 && size < decoded->size() && (static_cast<unsigned char>((*decoded)[size]) & 0xc0U) == 0x80U)
        --size;
    out.end_user.assign(decoded->substr(0, size));
}

}  // namespace spillway::proxy
