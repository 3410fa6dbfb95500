#include "schema_value.hpp"

#include <algorithm>
#include <array>

#include <spillway/base/random.hpp>

namespace spillway::sim {
namespace {

constexpr int deepest = 12;  // a schema may refer to itself
constexpr std::array<const char*, 8> sample_words{"harbour", "meadow", "lantern", "orchard",
                                                  "granite", "willow", "compass", "thicket"};

class value_maker {
public:
    value_maker(const json& root, std::uint64_t seed) : root_(root), random_(seed) {}

    json make(const json& schema, int depth = 0) {
        if (!schema.is_object() || depth > deepest) return nullptr;
        if (const json* to = find(schema, "$ref"); to != nullptr && to->is_string())
            return make(referred(to->get<std::string>()), depth + 1);
        if (const json* only = find(schema, "const")) return *only;
        if (const json* all = find(schema, "enum"); all != nullptr && all->is_array() && !all->empty())
            return (*all)[random_.below(static_cast<std::uint32_t>(all->size()))];
        for (const char* key : {"anyOf", "oneOf", "allOf"})
            if (const json* of = find(schema, key); of != nullptr && of->is_array() && !of->empty())
                return make(of->front(), depth + 1);
        const std::string type = type_of(schema);
        if (type == "object") return object(schema, depth);
        if (type == "array") return array(schema, depth);
        if (type == "boolean") return random_.below(2) == 1;
        if (type == "integer" || type == "number") return number(schema, type == "integer");
        if (type == "null") return nullptr;
        return text(schema);
    }

private:
    static std::string type_of(const json& schema) {
        const json* type = find(schema, "type");
        if (type != nullptr && type->is_array() && !type->empty()) type = &type->front();
        if (type != nullptr && type->is_string()) return type->get<std::string>();
        return find(schema, "properties") != nullptr ? "object" : "string";
    }

    const json& referred(const std::string& to) const {
        static const json nothing;
        if (to == "#") return root_;
        if (to.rfind("#/", 0) != 0) return nothing;
        const json::json_pointer at(to.substr(1));
        return root_.contains(at) ? root_.at(at) : nothing;
    }

    json object(const json& schema, int depth) {
        json out = json::object();
        const json* properties = find(schema, "properties");
        if (properties == nullptr || !properties->is_object()) return out;
        const json* required = find(schema, "required");
        const auto wanted = [&](const std::string& name) {
            return required == nullptr || !required->is_array() ||
                   std::find(required->begin(), required->end(), json(name)) != required->end();
        };
        for (const auto& [name, below] : properties->items())
            if (wanted(name)) out[name] = make(below, depth + 1);
        return out;
    }

    json array(const json& schema, int depth) {
        json out = json::array();
        const json* items = find(schema, "items");
        const auto n = std::clamp<std::uint64_t>(number_or(schema, "minItems", 2), 0, 16);
        for (std::uint64_t i = 0; items != nullptr && i < n; ++i) out.push_back(make(*items, depth + 1));
        return out;
    }

    json number(const json& schema, bool whole) {
        double least = 1, most = 100;
        if (const json* j = find(schema, "minimum"); j != nullptr && j->is_number())
            most = std::max(most, least = j->get<double>());
        if (const json* j = find(schema, "maximum"); j != nullptr && j->is_number())
            least = std::min(least, most = j->get<double>());
        const double value = least + random_.unit() * (most - least);
        if (whole) return static_cast<std::int64_t>(value);
        return value;
    }

    json text(const json& schema) {
        const std::string format = string_or(schema, "format", "");
        if (format == "date") return "2026-11-27";
        if (format == "date-time") return "2026-11-27T12:00:00Z";
        if (format == "email") return "someone@example.org";
        if (format == "uuid") return "00000000-0000-4000-8000-000000000001";
        return sample_words[random_.below(sample_words.size())];
    }

    const json& root_;
    random_source random_;
};

}  // namespace

json value_for(const json& schema, std::uint64_t seed) { return value_maker(schema, seed).make(schema); }

}  // namespace spillway::sim
