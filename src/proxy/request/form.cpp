#include "form.hpp"

#include <spillway/core/object_ids.hpp>
#include <spillway/http/multipart.hpp>

namespace spillway::proxy {
namespace {

fault bad_form(std::string message) {
    return {.code = "BadRequest", .who = origin::client, .status = 400, .message = std::move(message)};
}

// Notes where the few fields stand that decide something.
class terms_of_form final : public http::multipart_visitor {
public:
    struct field {
        std::uint64_t offset{0}, length{0};
        unsigned count{0};
    };
    field model, stream, user;
    std::string reference;  // a field that names an object, as `file_id` or `file_ids[]`

    void on_part(const http::multipart_part& part) override {
        if (reference.empty() && refers(part.name)) reference = part.name;
        const bool plain = !part.filename;
        now_ = !plain                  ? nullptr
               : part.name == "model"  ? &model
               : part.name == "stream" ? &stream
               : part.name == "user"   ? &user
                                       : nullptr;
        if (now_ != nullptr) ++now_->count;
    }
    void on_value(std::uint64_t, std::string_view) override {}
    void on_part_end(std::uint64_t offset, std::uint64_t length) override {
        if (now_ == nullptr) return;
        now_->offset = offset;
        now_->length = length;
    }

private:
    static bool refers(std::string_view name) noexcept {
        const int member = core::object_members.find(name.substr(0, name.find('[')));
        return member >= 0 && !core::object_members[member].opaque &&
               core::kind_of_member(member, -1) == core::id_kind::reference;
    }

    field* now_{nullptr};
};

}  // namespace

maybe_fault read_form(const request_body& body, const core::operation& op, request_terms& out, body_marks& marks) {
    terms_of_form fields;
    http::multipart_scanner scan(body.boundary());
    auto e = scan.feed(body.view(), fields);
    if (e == http::multipart_error::none) e = scan.finish();
    if (e != http::multipart_error::none)
        return bad_form("The request body is no usable form: " + std::string(http::describe(e)) + " (at byte " +
                        std::to_string(scan.error_offset()) + ").");
    // Ids are proved in JSON alone.
    if (op.role != core::object_role::none && !fields.reference.empty())
        return core::object_not_found("the field \"" + fields.reference + "\" of the form; name objects in JSON");
    const auto text = [&](const terms_of_form::field& f) {
        return body.view().substr(static_cast<std::size_t>(f.offset), static_cast<std::size_t>(f.length));
    };
    if (fields.model.count > 1 || fields.stream.count > 1)
        return bad_form("The form has a field twice that may be there once: \"model\" or \"stream\".");
    const auto streams = text(fields.stream);
    out.streams = (streams == "true" || streams == "True" || streams == "1") &&
                  op.stream != core::stream_shape::none && op.stream != core::stream_shape::bytes;
    out.end_user.assign(text(fields.user).substr(0, 128));
    if (op.name_place != core::name_place::body_model) return std::nullopt;
    const auto name = text(fields.model);
    if (name.empty() && op.name_optional) return std::nullopt;
    if (name.empty()) return bad_form("The field \"model\" with the name of a deployment is missing from the form.");
    if (name.size() > 256) return bad_form("The field \"model\" is no usable deployment name.");
    marks.name_in_body = name;
    marks.name_is_plain = true;
    marks.deployment = name;
    return std::nullopt;
}

}  // namespace spillway::proxy
