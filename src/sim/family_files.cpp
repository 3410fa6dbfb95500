#include "family_files.hpp"

#include <algorithm>
#include <array>

#include <spillway/base/text.hpp>

#include "families.hpp"
#include "kinds.hpp"

namespace spillway::sim {
namespace {

constexpr std::array<std::string_view, 8> purposes{
    "assistants", "batch", "evals", "fine-tune", "user_data", "fine-tune-results", "vision", "batch_output"};
constexpr std::uint64_t largest = 512ULL * 1024 * 1024;

answer create_file(visit& v) {
    const form_part* part = v.x.asked.form ? v.x.asked.form->find("file") : nullptr;
    if (part == nullptr) return missing("file");
    const std::string purpose = string_or(v.body(), "purpose", "");
    if (purpose.empty()) return missing("purpose");
    if (std::find(purposes.begin(), purposes.end(), purpose) == purposes.end())
        return invalid("'" + purpose + "' is no purpose of files.", "purpose");
    if (part->content.size() > largest)
        return error_answer(413, "413", "The file is larger than 512 MB.", "invalid_request_error");
    stored s = make_file(v, part->filename, purpose, content_in(v, "file"));
    if (const json* expires = find(v.body(), "expires_after"); expires != nullptr)
        if (const auto after = text::parse_unsigned(string_or(*expires, "seconds", "")))
            s.object["expires_at"] = v.wall() + static_cast<std::int64_t>(*after);
    return v.keep(std::move(s));
}

answer list_files(visit& v) {
    constexpr std::size_t usual = 10000;
    const std::string purpose = v.parameter("purpose");
    std::vector<json> out;
    for (const stored* s : v.objects.all(file_kind, "", v.now))
        if (purpose.empty() || s->object["purpose"] == purpose) out.push_back(s->object);
    return page_of(v, std::move(out), {usual, false});
}

answer remove_file(visit& v) {
    if (v.named() == nullptr) return v.no_such();
    v.objects.erase(v.ids[0]);
    return answer::of(200, {{"id", v.ids[0]}, {"object", "file"}, {"deleted", true}});
}

}  // namespace

std::shared_ptr<const blob> content_in(const visit& v, std::string_view part) {
    const form_part* found = v.x.asked.form ? v.x.asked.form->find(part) : nullptr;
    // The content lives as long as the form that it came in.
    return found == nullptr ? nullptr : std::shared_ptr<const blob>(v.x.asked.form, &found->content);
}

stored make_file(visit& v, std::string_view name, std::string_view purpose, std::shared_ptr<const blob> content) {
    stored s;
    s.of = &file_kind;
    s.object = {{"id", v.new_id(file_kind.prefix)},
                {"object", "file"},
                {"bytes", content->size()},
                {"created_at", v.wall()},
                {"filename", name},
                {"purpose", purpose},
                {"status", "processed"},
                {"status_details", nullptr},
                {"sha256", content->digest()}};
    s.content = std::move(content);
    return s;
}

void add_files(way_table& all) {
    all.push_back({"POST", "files", create_file, &file_kind});
    all.push_back({"GET", "files", list_files, &file_kind});
    all.push_back({"GET", "files/{}", get_one, &file_kind});
    all.push_back({"DELETE", "files/{}", remove_file, &file_kind});
    all.push_back({"GET", "files/{}/content", get_content, &file_kind});
}

}  // namespace spillway::sim
