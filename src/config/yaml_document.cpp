#include "yaml_document.hpp"

#include <exception>
#include <sstream>
#include <unordered_map>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "text_check.hpp"

namespace spillway::config {
namespace {

// Leaves the parser early once a limit is broken. The issue is already noted.
struct stop_reading {};

// The parser counts bytes, editors count characters. Very long lines keep the parser's number.
mark place(std::string_view text, const YAML::Mark& m) {
    constexpr int longest = 4096;
    int column = m.column;
    if (column > 0 && column <= longest && m.pos >= column && static_cast<std::size_t>(m.pos) <= text.size()) {
        const auto line = text.substr(static_cast<std::size_t>(m.pos - column), static_cast<std::size_t>(column));
        for (const char c : line) column -= (static_cast<unsigned char>(c) & 0xC0) == 0x80 ? 1 : 0;
    }
    return {m.line + 1, column + 1};
}

// Builds nodes from the parser's events. yaml-cpp's own node tree lets duplicate keys pass and loses the order in
// which keys stand, so it is not used.
class node_builder final : public YAML::EventHandler {
public:
    node_builder(std::string_view text, yaml_document& doc, issue_sink& issues)
        : text_(text), doc_(doc), issues_(issues) {}

    void OnDocumentStart(const YAML::Mark& m) override {
        if (++documents_ > 1) {
            stop(m, "a second YAML document begins here", "keep one document and remove the line '---'");
        }
    }
    void OnDocumentEnd() override {}
    void OnAnchor(const YAML::Mark&, const std::string&) override {}

    void OnNull(const YAML::Mark& m, YAML::anchor_t anchor) override {
        if (refuse_as_key(m)) return;
        remember(anchor, &add(yaml_node::kind::null, m));
    }

    void OnScalar(const YAML::Mark& m, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        refuse_tag(m, tag);
        if (at_key()) {
            take_key(m, tag, value);
            return;
        }
        yaml_node& n = add(yaml_node::kind::scalar, m);
        n.text = value;
        remember(anchor, &n);
    }

    void OnAlias(const YAML::Mark& m, YAML::anchor_t anchor) override {
        if (refuse_as_key(m)) return;
        const auto it = anchors_.find(anchor);
        if (it == anchors_.end()) stop(m, "the alias refers to the value that it is part of", "write the value out");
        attach(*it->second);
        count(m, it->second->weight);
    }

    void OnSequenceStart(const YAML::Mark& m, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        begin(yaml_node::kind::list, m, tag, anchor);
    }
    void OnMapStart(const YAML::Mark& m, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        begin(yaml_node::kind::map, m, tag, anchor);
    }
    void OnSequenceEnd() override { end(); }
    void OnMapEnd() override { end(); }

private:
    struct frame {
        yaml_node* node;
        YAML::anchor_t anchor;
        bool detached;        // stands where a key should: read, so that the rest can be read, and forgotten
        bool has_key{false};  // of a map: the next node is the value of `key`
        bool drop{false};     // that value belongs to a key that was refused
        yaml_entry key;
        std::unordered_map<std::string, int> lines;  // of a map: where each key stands
    };

    mark at(const YAML::Mark& m) const { return place(text_, m); }

    bool at_key() const {
        return !stack_.empty() && stack_.back().node->what == yaml_node::kind::map && !stack_.back().has_key;
    }

    [[noreturn]] void stop(const YAML::Mark& m, std::string what, std::string remedy) {
        issues_.error(at(m), path(), std::move(what), std::move(remedy));
        throw stop_reading{};
    }

    std::string path() const {
        std::string out;
        for (const frame& f : stack_) {
            if (f.node->what == yaml_node::kind::list) out = child_path(out, f.node->items.size());
            else if (f.has_key) out = child_path(out, f.key.key);
        }
        return out;
    }

    void count(const YAML::Mark& m, std::uint64_t nodes) {
        total_ += nodes;
        if (total_ > max_yaml_nodes) {
            stop(m, "the file has more than " + std::to_string(max_yaml_nodes) + " values, aliases expanded",
                 "write less, or use fewer aliases");
        }
    }

    yaml_node& add(yaml_node::kind what, const YAML::Mark& m) {
        count(m, 1);
        yaml_node& n = doc_.nodes.emplace_back();
        n.what = what;
        n.at = at(m);
        attach(n);
        return n;
    }

    void attach(const yaml_node& n) {
        if (stack_.empty()) {
            doc_.root = &n;
            return;
        }
        frame& f = stack_.back();
        if (f.node->what == yaml_node::kind::list) {
            f.node->items.push_back(&n);
            return;
        }
        f.has_key = false;
        if (f.drop) return;
        f.key.value = &n;
        f.node->entries.push_back(std::move(f.key));
    }

    void remember(YAML::anchor_t anchor, const yaml_node* n) {
        if (anchor != YAML::NullAnchor) anchors_[anchor] = n;
    }

    void begin(yaml_node::kind what, const YAML::Mark& m, const std::string& tag, YAML::anchor_t anchor) {
        refuse_tag(m, tag);
        if (stack_.size() >= max_yaml_depth) {
            stop(m, "values are nested more than " + std::to_string(max_yaml_depth) + " deep", "");
        }
        const bool as_key = refuse_as_key(m);
        count(m, 1);
        yaml_node& n = doc_.nodes.emplace_back();
        n.what = what;
        n.at = at(m);
        stack_.push_back({&n, anchor, as_key, false, false, {}, {}});
    }

    // A collection is attached when it is complete, so that an alias inside it cannot make a ring.
    void end() {
        const frame f = std::move(stack_.back());
        stack_.pop_back();
        for (const auto* item : f.node->items) f.node->weight += item->weight;
        for (const auto& entry : f.node->entries) f.node->weight += entry.value->weight;
        if (f.detached) return;
        attach(*f.node);
        remember(f.anchor, f.node);
    }

    // True when the node stands where a key should: it is refused, and its value will be read and dropped.
    bool refuse_as_key(const YAML::Mark& m) {
        if (!at_key()) return false;
        issues_.error(at(m), path(), "a key is not plain text", "write `key: value`");
        stack_.back().has_key = stack_.back().drop = true;
        return true;
    }

    void take_key(const YAML::Mark& m, const std::string& tag, const std::string& key) {
        const std::string here = path();
        frame& f = stack_.back();
        f.has_key = true;
        f.drop = true;
        const auto [first, fresh] = f.lines.try_emplace(key, m.line + 1);
        if (key == "<<" && tag == "?") {
            issues_.error(at(m), here, "merge keys are not part of this language", "repeat the keys that are meant");
        } else if (!is_clean_text(key)) {
            issues_.error(at(m), here, "a key holds a control character", "use printable characters");
        } else if (!fresh) {
            issues_.error(at(m), child_path(here, key),
                          "the key '" + key + "' is already written in line " + std::to_string(first->second),
                          "remove one of the two");
        } else {
            f.drop = false;
        }
        f.key = {key, at(m), nullptr};
    }

    void refuse_tag(const YAML::Mark& m, const std::string& tag) {
        if (tag.empty() || tag == "?" || tag == "!") return;
        issues_.error(at(m), path(), "tags are not part of this language",
                      "remove the tag, and quote the value if text is meant");
    }

    std::string_view text_;
    yaml_document& doc_;
    issue_sink& issues_;
    std::vector<frame> stack_;
    std::unordered_map<YAML::anchor_t, const yaml_node*> anchors_;
    std::uint64_t total_{0};
    int documents_{0};
};

}  // namespace

const yaml_entry* yaml_node::find(std::string_view key) const noexcept {
    for (const auto& e : entries) {
        if (e.key == key) return &e;
    }
    return nullptr;
}

yaml_document parse_yaml(std::string_view text, issue_sink& issues) {
    yaml_document doc;
    node_builder builder(text, doc, issues);
    try {
        std::istringstream in{std::string(text)};
        YAML::Parser parser(in);
        while (parser.HandleNextDocument(builder)) {
        }
    } catch (const stop_reading&) {
    } catch (const YAML::Exception& e) {
        issues.error(place(text, e.mark), {}, "this is not YAML: " + e.msg,
                     "check indentation, quotes and brackets near here");
    } catch (const std::exception& e) {
        issues.error({1, 1}, {}, "the file cannot be read as YAML: " + std::string(e.what()), {});
    }
    return doc;
}

}  // namespace spillway::config
