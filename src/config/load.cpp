#include <spillway/config/load.hpp>

#include <algorithm>
#include <set>
#include <sstream>

#include <spillway/base/plain_file.hpp>

#include "keys.hpp"
#include "text_check.hpp"
#include "yaml_document.hpp"

namespace spillway::config {
namespace {

constexpr std::size_t longest_name = 64;

bool is_name(std::string_view s) noexcept {
    if (s.empty() || s.size() > longest_name) return false;
    return std::all_of(s.begin(), s.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.';
    });
}

bool is_variable(std::string_view s) noexcept {
    if (s.empty() || (s.front() >= '0' && s.front() <= '9')) return false;
    return std::all_of(s.begin(), s.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
}

std::string_view word_of(yaml_node::kind k) noexcept {
    switch (k) {
        case yaml_node::kind::null: return "nothing";
        case yaml_node::kind::scalar: return "a single value";
        case yaml_node::kind::list: return "a list";
        case yaml_node::kind::map: return "a map";
    }
    return "";
}

struct context {
    issue_sink& issues;
    const environment& env;
    source_map& marks;
};

// What `${...}` in a text stands for; nothing when a reference is broken, which is noted.
class expander {
public:
    expander(context& c, mark at, const std::string& path) : context_(c), at_(at), path_(path) {}

    std::optional<std::string> run(std::string_view text, bool& referred) {
        std::string out;
        for (;;) {
            const auto open = text.find("${");
            out += text.substr(0, open);
            if (open == std::string_view::npos) return out;
            const auto close = text.find('}', open);
            if (close == std::string_view::npos) return fail("'${' has no '}'", "close the reference: ${NAME}");
            if (!append(out, text.substr(open + 2, close - open - 2))) return std::nullopt;
            referred = true;
            text.remove_prefix(close + 1);
        }
    }

private:
    bool append(std::string& out, std::string_view inside) {
        const auto dash = inside.find(":-");
        const auto name = inside.substr(0, dash);
        if (!is_variable(name)) {
            fail("'${" + std::string(inside) + "}' names no environment variable",
                 "write ${NAME} or ${NAME:-default} with letters, digits and _");
            return false;
        }
        auto value = context_.env(name);
        if (dash != std::string_view::npos && (!value || value->empty())) value = inside.substr(dash + 2);
        if (!value) {
            fail("the environment variable " + std::string(name) + " is not set",
                 "set it, or write ${" + std::string(name) + ":-default}");
            return false;
        }
        if (!is_clean_text(*value)) {
            fail("the environment variable " + std::string(name) + " holds a control character",
                 "set it to plain text");
            return false;
        }
        out += *value;
        return true;
    }
    std::nullopt_t fail(std::string what, std::string remedy) {
        context_.issues.error(at_, path_, std::move(what), std::move(remedy));
        return std::nullopt;
    }

    context& context_;
    mark at_;
    const std::string& path_;
};

// Reads one map of the file into the fields that the declarations name.
class reader final : public visitor {
public:
    reader(context& c, const yaml_node* node, std::string path) : context_(c), node_(node), path_(std::move(path)) {}

    void value(const key& k, scalar s) override {
        if (const auto* e = take(k)) read_scalar(*e->value, child_path(path_, k.name), s);
    }

    void values(const key& k, const std::function<scalar()>& item) override {
        const auto* e = take(k);
        if (e == nullptr) return;
        const auto path = child_path(path_, k.name);
        // One value may stand without the brackets.
        if (e->value->what == yaml_node::kind::scalar) return read_scalar(*e->value, path, item());
        if (!expect(*e->value, yaml_node::kind::list, path)) return;
        for (std::size_t i = 0; i < e->value->items.size(); ++i)
            read_scalar(*e->value->items[i], child_path(path, i), item());
    }

    void mixed(const key& k, const std::function<scalar()>& item, const fields& inside) override {
        const auto* e = take(k);
        if (e != nullptr) read_mixed(*e->value, child_path(path_, k.name), item, inside);
    }

    void either(const key& k, scalar s, const fields& inside) override {
        const auto* e = take(k);
        if (e == nullptr) return;
        const auto path = child_path(path_, k.name);
        if (e->value->what == yaml_node::kind::map) read_map(e->value, path, inside);
        else read_scalar(*e->value, path, s);
    }

    void object(const key& k, const fields& inside) override {
        const auto* e = take(k);
        if (e == nullptr) return;
        const auto path = child_path(path_, k.name);
        if (expect(*e->value, yaml_node::kind::map, path)) read_map(e->value, path, inside);
    }

    void map(const key& k, std::string_view word,
             const std::function<void(visitor&, const std::string&)>& inside) override {
        const auto* e = take(k);
        if (e == nullptr) return;
        const auto path = child_path(path_, k.name);
        if (!expect(*e->value, yaml_node::kind::map, path)) return;
        for (const auto& entry : e->value->entries) {
            const auto child = child_path(path, entry.key);
            context_.marks.add(child, entry.at);
            if (!is_name(entry.key)) {
                context_.issues.error(entry.at, child,
                                      "the " + std::string(word) + "'s name has characters that no name has",
                                      "use letters, digits, - _ and . only, 64 at most");
                continue;
            }
            if (expect(*entry.value, yaml_node::kind::map, child))
                read_map(entry.value, child, [&](visitor& v) { inside(v, entry.key); });
        }
    }

    void list(const key& k, const fields& item) override {
        const auto* e = take(k);
        if (e == nullptr) return;
        const auto path = child_path(path_, k.name);
        if (!expect(*e->value, yaml_node::kind::list, path)) return;
        for (std::size_t i = 0; i < e->value->items.size(); ++i) {
            const auto* n = e->value->items[i];
            const auto child = child_path(path, i);
            context_.marks.add(child, n->at);
            // An element that cannot be read still takes its place, so that later ones keep their numbers.
            if (expect(*n, yaml_node::kind::map, child)) read_map(n, child, item);
        }
    }

    void others(std::string_view word, std::string_view,
                const std::function<scalar(const std::string&)>& item) override {
        if (node_ == nullptr) return;
        for (const auto& e : node_->entries) {
            if (!known_.insert(e.key).second) continue;
            const auto path = child_path(path_, e.key);
            if (!is_name(e.key)) {
                context_.issues.error(e.at, path,
                                      "the " + std::string(word) + "'s name has characters that no name has",
                                      "use letters, digits, - _ and . only, 64 at most");
                continue;
            }
            context_.marks.add(path, e.at);
            read_scalar(*e.value, path, item(e.key));
        }
    }

    // An undeclared key is a mistake of the writer.
    void finish() {
        if (node_ == nullptr) return;
        for (const auto& e : node_->entries)
            if (!known_.contains(e.key))
                context_.issues.error(e.at, child_path(path_, e.key), "unknown key '" + e.key.substr(0, 60) + "'",
                                      did_you_mean(e.key, known_, "known here: " + all_known()));
    }

private:
    const yaml_entry* take(const key& k) {
        known_.insert(std::string(k.name));
        const auto* e = node_ == nullptr ? nullptr : node_->find(k.name);
        if (e != nullptr) {
            context_.marks.add(child_path(path_, k.name),
                               e->value->what == yaml_node::kind::scalar ? e->value->at : e->at);
            if (e->value->what != yaml_node::kind::null) return e;
        }
        if (k.required)
            context_.issues.error(e != nullptr       ? e->at
                                  : node_ != nullptr ? node_->at
                                                     : mark{1, 1},
                                  child_path(path_, k.name), "the key is missing", "add it: " + std::string(k.about));
        return nullptr;
    }

    void read_mixed(const yaml_node& n, const std::string& path, const std::function<scalar()>& item,
                    const fields& inside) {
        if (n.what == yaml_node::kind::scalar) return read_scalar(n, path, item());
        if (!expect(n, yaml_node::kind::list, path)) return;
        for (std::size_t i = 0; i < n.items.size(); ++i) {
            const auto* one = n.items[i];
            const auto child = child_path(path, i);
            context_.marks.add(child, one->at);
            if (one->what == yaml_node::kind::map) read_map(one, child, inside);
            else read_scalar(*one, child, item());
        }
    }

    bool expect(const yaml_node& n, yaml_node::kind wanted, const std::string& path) {
        if (n.what == wanted) return true;
        if (n.what == yaml_node::kind::null && wanted == yaml_node::kind::map) return true;
        context_.issues.error(n.at, path,
                              std::string(word_of(wanted)) + " is expected here, not " + std::string(word_of(n.what)),
                              wanted == yaml_node::kind::list ? "write a list: - one" : "write a map: key: value");
        return false;
    }

    void read_map(const yaml_node* n, const std::string& path, const fields& inside) {
        reader r(context_, n->what == yaml_node::kind::map ? n : nullptr, path);
        r.at_ = n->at;
        inside(r);
        r.finish();
    }

    void read_scalar(const yaml_node& n, const std::string& path, const scalar& s) {
        context_.marks.add(path, n.at);
        if (n.what != yaml_node::kind::scalar) {
            context_.issues.error(n.at, path, "a single value is expected here, not " + std::string(word_of(n.what)),
                                  "write " + s.words);
            return;
        }
        scalar_text t;
        t.raw = n.text;
        const auto value = expander(context_, n.at, path).run(n.text, t.referred);
        if (!value) return;
        t.value = *value;
        if (s.what != scalar::shape::secret && !is_clean_text(*value)) {
            context_.issues.error(n.at, path, "the value holds a control character", "write plain text");
            return;
        }
        const auto p = s.read(t);
        if (!p) return;
        if (p->level == severity::error) context_.issues.error(n.at, path, p->what, p->remedy);
        else context_.issues.warning(n.at, path, p->what, p->remedy);
    }

    std::string all_known() const {
        std::string out;
        for (const auto& name : known_) out += (out.empty() ? "" : ", ") + name;
        return out;
    }

    context& context_;
    const yaml_node* node_;
    std::string path_;
    mark at_;
    std::set<std::string, std::less<>> known_;
};

}  // namespace

namespace {

// Parses `text` and, when it holds a map, hands it to `read`.
template <class Read>
std::vector<issue> parse_map(std::string_view text, source_map& marks, const environment& env, const Read& read) {
    issue_sink issues{marks.file()};
    if (text.size() > max_file_bytes) {
        issues.error({}, {}, "the file is larger than " + print_size(max_file_bytes), "this is no configuration");
    } else if (check_bytes(text, issues)) {
        const yaml_document doc = parse_yaml(text, issues);
        if (doc.root != nullptr && doc.root->what != yaml_node::kind::map) {
            issues.error(doc.root->at, {}, "the file holds no map", "write a map: key: value");
        } else if (doc.root != nullptr) {
            context c{issues, env, marks};
            reader r(c, doc.root, {});
            read(r, *doc.root);
            r.finish();
        }
    }
    return issues.take();
}

// The file's bytes, or why there are none.
boost::system::result<std::string, issue> read_whole(const std::string& path) {
    auto text = read_plain_file(path, max_file_bytes + 1);
    if (!text)
        return issue{path,           0, 0, {}, "the file " + text.error().what, std::move(text.error().remedy),
                     severity::error};
    return {boost::system::in_place_value, std::move(*text)};
}

}  // namespace

loaded load_text(std::string_view text, std::string_view file_name, const environment& env) {
    loaded out;
    out.text = text;
    out.hash = content_hash(text);
    out.tree.source = source_map(std::string(file_name));
    bool read = false;
    out.issues = parse_map(text, out.tree.source, env, [&](reader& r, const yaml_node&) {
        read = true;
        declare(r, out.tree);
    });
    out.read = read || out.issues.empty();
    return out;
}

loaded load_file(const std::string& path, const environment& env) {
    const auto text = read_whole(path);
    if (text) return load_text(*text, path, env);
    loaded out;
    out.read = false;
    out.tree.source = source_map(path);
    out.issues.push_back(text.error());
    return out;
}

loaded_keys load_keys_text(std::string_view text, std::string_view file_name, const environment& env) {
    loaded_keys out;
    out.text = text;
    out.hash = content_hash(text);
    out.source = source_map(std::string(file_name));
    out.issues = parse_map(text, out.source, env, [&](reader& r, const yaml_node& root) {
        for (const auto& e : root.entries) declare_keys(r, {e.key, "keys of the client"}, out.keys[e.key]);
    });
    return out;
}

loaded_keys load_keys_file(const std::string& path, const environment& env) {
    const auto text = read_whole(path);
    if (text) return load_keys_text(*text, path, env);
    loaded_keys out;
    out.source = source_map(path);
    out.issues.push_back(text.error());
    return out;
}

}  // namespace spillway::config
