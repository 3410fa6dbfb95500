#include "form_data.hpp"

#include <algorithm>
#include <array>

#include <spillway/base/text.hpp>

namespace spillway::sim {
namespace {

constexpr std::size_t longest_head = 16 * 1024;

// The value of `key=` in a header's line, with or without quotes.
std::optional<std::string> parameter_of(std::string_view line, std::string_view key) {
    for (std::size_t at = line.find(';'); at != std::string_view::npos; at = line.find(';', at + 1)) {
        const std::string_view rest = text::trim(line.substr(at + 1));
        if (!text::istarts_with(rest, key) || rest.size() <= key.size() || rest[key.size()] != '=') continue;
        const std::string_view value = rest.substr(key.size() + 1);
        if (!value.starts_with('"')) return std::string(text::trim(value.substr(0, value.find(';'))));
        return std::string(value.substr(1, value.find('"', 1) - 1));
    }
    return std::nullopt;
}

// Text is what a form holds; these fields are something else in a JSON body.
json typed(std::string_view name, const std::string& value) {
    constexpr std::array<std::string_view, 3> numbers{"n", "partial_images", "output_compression"};
    if (name == "stream" && (value == "true" || value == "false")) return value == "true";
    if (std::find(numbers.begin(), numbers.end(), name) != numbers.end())
        if (const auto n = text::parse_unsigned(value)) return *n;
    return value;
}

}  // namespace

std::optional<std::string> form_data::boundary_in(std::string_view content_type) {
    if (!text::istarts_with(content_type, "multipart/form-data")) return std::nullopt;
    auto found = parameter_of(content_type, "boundary");
    if (found && found->empty()) found.reset();
    return found;
}

void form_data::feed(std::string_view bytes) {
    if (complete()) return;
    pending_ += bytes;
    while (step()) {
    }
}

// False: what is pending does not suffice.
bool form_data::step() {
    switch (state_) {
        case state::before: {
            const auto at = pending_.find(mark_);
            if (at == std::string::npos) {
                if (pending_.size() > mark_.size()) pending_.erase(0, pending_.size() - mark_.size());
                return false;
            }
            pending_.erase(0, at + mark_.size());
            state_ = state::boundary;
            return true;
        }
        case state::boundary: return read_boundary();
        case state::head: return read_head();
        case state::content: return read_content();
        case state::over: break;
    }
    return false;
}

bool form_data::read_boundary() {
    if (pending_.size() < 2) return false;
    if (pending_.starts_with("--")) {
        state_ = state::over;
        pending_.clear();
        return false;
    }
    const auto end = pending_.find("\r\n");
    if (end == std::string::npos) return false;
    pending_.erase(0, end + 2);
    state_ = state::head;
    return true;
}

bool form_data::read_head() {
    const auto end = pending_.find("\r\n\r\n");
    if (end == std::string::npos) {
        if (pending_.size() > longest_head) state_ = state::before;
        return false;
    }
    form_part& part = parts_.emplace_back();
    for (std::string_view rest = std::string_view(pending_).substr(0, end); !rest.empty();) {
        const std::string_view line = rest.substr(0, rest.find("\r\n"));
        rest.remove_prefix(std::min(rest.size(), line.size() + 2));
        if (text::istarts_with(line, "content-disposition:")) {
            part.name = parameter_of(line, "name").value_or("");
            const auto filename = parameter_of(line, "filename");
            part.file = filename.has_value();
            part.filename = filename.value_or("");
        }
        if (text::istarts_with(line, "content-type:")) part.content_type = text::trim(line.substr(13));
    }
    pending_.erase(0, end + 4);
    state_ = state::content;
    return true;
}

bool form_data::read_content() {
    const auto end = pending_.find(mark_);
    const std::size_t known = end != std::string::npos         ? end
                              : pending_.size() > mark_.size() ? pending_.size() - mark_.size()
                                                               : 0;
    if (known > 0) {
        parts_.back().content.add(std::string_view(pending_).substr(0, known));
        pending_.erase(0, known);
    }
    if (end == std::string::npos) return false;
    pending_.erase(0, mark_.size());
    state_ = state::boundary;
    return true;
}

const form_part* form_data::find(std::string_view name) const noexcept {
    for (const auto& p : parts_)
        if (p.name == name ||
            (p.name.size() == name.size() + 2 && p.name.starts_with(name) && p.name.ends_with("[]")))
            return &p;
    return nullptr;
}

json form_data::as_json() const {
    json out = json::object();
    for (const auto& p : parts_) {
        json value = p.file
                         ? json{{"filename", p.filename}, {"bytes", p.content.size()}, {"sha256", p.content.digest()}}
                         : typed(p.name, p.content.kept());
        const auto bracket = p.name.find('[');
        const std::string name = p.name.substr(0, bracket);
        if (bracket == std::string::npos) {
            out[name] = std::move(value);
            continue;
        }
        const std::string inner = p.name.substr(bracket + 1, p.name.find(']', bracket) - bracket - 1);
        json& holder = out[name];
        if (inner.empty()) {
            if (!holder.is_array()) holder = json::array();
            holder.push_back(std::move(value));
        } else {
            if (!holder.is_object()) holder = json::object();
            holder[inner] = std::move(value);
        }
    }
    return out;
}

}  // namespace spillway::sim
