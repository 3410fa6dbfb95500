#include <spillway/config/schema.hpp>

#include <nlohmann/json.hpp>

#include "keys.hpp"

namespace spillway::config {
namespace {

using json = nlohmann::ordered_json;

// A value that comes from the environment is known only when the file is loaded.
constexpr const char* reference_pattern = R"(^.*\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}.*$)";

json schema_of(const scalar& s) {
    json out;
    switch (s.what) {
        case scalar::shape::flag: out = {{"type", "boolean"}}; break;
        case scalar::shape::choice: out = {{"enum", s.choices}}; break;
        case scalar::shape::count:
            out = {{"type", "integer"}};
            if (s.range) {
                out["minimum"] = s.range->first;
                out["maximum"] = s.range->second;
            }
            break;
        case scalar::shape::share: out = {{"type", json::array({"number", "string"})}}; break;
        case scalar::shape::size:
        case scalar::shape::time: out = {{"type", json::array({"string", "integer"})}}; break;
        case scalar::shape::text:
        case scalar::shape::secret:
        case scalar::shape::hash: out = {{"type", json::array({"string", "number"})}}; break;
    }
    if (!s.pattern.empty()) out["pattern"] = "^" + s.pattern + "$";
    const bool takes_text = out.contains("type") && out["type"].is_array() && !out.contains("pattern");
    if (!takes_text) {
        json either = json::array();
        either.push_back(out);
        // Counts have words such as 50M and auto besides digits.
        if (s.what == scalar::shape::count)
            either.push_back({{"type", "string"}, {"pattern", "^(auto|[0-9]+[kM]?)$"}});
        either.push_back({{"type", "string"}, {"pattern", reference_pattern}});
        out = {{"anyOf", either}};
    }
    return out;
}

class schema_builder final : public visitor {
public:
    explicit schema_builder(json& to) : to_(to) {
        to_["type"] = "object";
        to_["properties"] = json::object();
        to_["additionalProperties"] = false;
    }

    void value(const key& k, scalar s) override {
        json out = schema_of(s);
        if (!s.shown_default.empty()) out["default"] = s.shown_default;
        out["description"] = std::string(k.about) + " (" + s.words + ")";
        put(k, std::move(out));
    }
    void values(const key& k, const std::function<scalar()>& item) override {
        const json one = schema_of(item());
        put(k, {{"description", k.about}, {"anyOf", json::array({json{{"type", "array"}, {"items", one}}, one})}});
    }
    void mixed(const key& k, const std::function<scalar()>& item, const fields& inside) override {
        const json one = schema_of(item());
        json map = json::object();
        schema_builder b(map);
        inside(b);
        const json either{{"anyOf", json::array({one, map})}};
        put(k, {{"description", k.about}, {"anyOf", json::array({json{{"type", "array"}, {"items", either}}, one})}});
    }
    void either(const key& k, scalar s, const fields& inside) override {
        json map = json::object();
        schema_builder b(map);
        inside(b);
        put(k, {{"description", k.about}, {"anyOf", json::array({schema_of(s), map})}});
    }
    void object(const key& k, const fields& inside) override {
        json out{{"description", k.about}};
        schema_builder b(out);
        inside(b);
        put(k, std::move(out));
    }
    void map(const key& k, std::string_view,
             const std::function<void(visitor&, const std::string&)>& inside) override {
        json one = json::object();
        schema_builder b(one);
        inside(b, "NAME");
        put(k, {{"description", k.about}, {"type", "object"}, {"additionalProperties", one}});
    }
    void list(const key& k, const fields& item) override {
        json one = json::object();
        schema_builder b(one);
        item(b);
        put(k, {{"description", k.about}, {"type", "array"}, {"items", one}});
    }
    void others(std::string_view, std::string_view about,
                const std::function<scalar(const std::string&)>& item) override {
        json one = schema_of(item("NAME"));
        one["description"] = about;
        to_["additionalProperties"] = std::move(one);
    }

private:
    void put(const key& k, json out) {
        to_["properties"][std::string(k.name)] = std::move(out);
        if (k.required) to_["required"].push_back(k.name);
    }
    json& to_;
};

}  // namespace

std::string json_schema() {
    json out{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "Spillway's configuration"}};
    tree defaults;
    schema_builder b(out);
    declare(b, defaults);
    return out.dump(1) + "\n";
}

}  // namespace spillway::config
