#include <sstream>
#include <vector>

#include <spillway/config/schema.hpp>

#include "keys.hpp"

namespace spillway::config {
namespace {

constexpr const char* opening = R"(# Configuration reference

One YAML file holds everything; [config/spillway.yaml](../config/spillway.yaml) is an example with every section.
This page is made from the declarations that the loader reads by (`spillway reference`), and so is the JSON Schema for
editors ([config/schema.json](../config/schema.json), `spillway schema`).

- **Durations**: `250ms`, `30s`, `5m`, `2h`. **Sizes**: `512`, `16KiB`, `8MiB`, `1GiB`. **Shares**: `20%` or `0.2`.
- **Values from the environment**: `${NAME}`, `${NAME:-default}`, anywhere in a value.
- **Secrets**: `${NAME}`, or `file:/path`, which is watched and follows rotation. A variable may itself hold `file:/path`.
- **Names** of listeners, instances, pools and clients: letters, digits, `-`, `_` and `.`, 64 at most.
- Unknown keys, keys that occur twice, YAML tags, merge keys and second documents are errors. All problems of a file are
  told at once, as `file:line:column: error: key.path: what. remedy`; a file with errors changes nothing.
- The file, certificates, keys and secret files are watched; saving them is a reload. They are regular files: a pipe, a device, a
  folder or a socket in the place of one is refused at once, and what was read before serves on. Only a pipe that the process itself was
  started with (`/dev/stdin`, a shell's `<(...)`) is read, which helps with `check`.

)";

std::string escaped(std::string s) {
    for (std::size_t at = 0; (at = s.find('|', at)) != std::string::npos; at += 2) s.replace(at, 1, "\\|");
    return s;
}

// Collects the rows of one object, and the objects below it for tables of their own.
class table_builder final : public visitor {
public:
    struct part {
        std::string path, about, rows;
    };
    table_builder(std::vector<part>& parts, std::string path, std::string about) : parts_(parts), at_(parts.size()) {
        parts_.push_back({std::move(path), std::move(about), {}});
    }

    void value(const key& k, scalar s) override {
        const std::string shown = k.required                ? "**needed**"
                                  : s.shown_default.empty() ? ""
                                                            : "`" + s.shown_default + "`";
        row(k.name, s.words, shown, k.about);
    }
    void values(const key& k, const std::function<scalar()>& item) override {
        row(k.name, "list of: " + item().words, "", k.about);
    }
    void mixed(const key& k, const std::function<scalar()>& item, const fields& inside) override {
        below(k, "." + std::string(k.name) + "[]", "list of: " + item().words + ", or map", inside);
    }
    void either(const key& k, scalar s, const fields& inside) override {
        below(k, "." + std::string(k.name), s.words + ", or map", inside);
    }
    void object(const key& k, const fields& inside) override { below(k, "." + std::string(k.name), "map", inside); }
    void map(const key& k, std::string_view,
             const std::function<void(visitor&, const std::string&)>& inside) override {
        below(k, "." + std::string(k.name) + ".NAME", "named entries", [&](visitor& v) { inside(v, "NAME"); });
    }
    void list(const key& k, const fields& item) override {
        below(k, "." + std::string(k.name) + "[]", "list of maps", item);
    }
    void others(std::string_view word, std::string_view about,
                const std::function<scalar(const std::string&)>& item) override {
        row("NAME of a " + std::string(word), item("NAME").words, "", about);
    }

private:
    void row(std::string_view name, const std::string& kind, const std::string& shown, std::string_view about) {
        parts_[at_].rows += "| `" + std::string(name) + "` | " + escaped(kind) + " | " + shown + " | " +
                            escaped(std::string(about)) + " |\n";
    }
    void below(const key& k, const std::string& step, const std::string& kind, const fields& inside) {
        std::string path = parts_[at_].path + step;
        if (path.front() == '.') path.erase(0, 1);
        row(k.name, kind, k.required ? "**needed**" : "", std::string(k.about) + "; see below");
        table_builder b(parts_, path, std::string(k.about));
        inside(b);
    }

    std::vector<part>& parts_;
    std::size_t at_;
};

}  // namespace

std::string reference_markdown() {
    std::vector<table_builder::part> parts;
    tree defaults;
    table_builder top(parts, "", "");
    declare(top, defaults);
    std::ostringstream out;
    out << opening;
    for (const auto& p : parts) {
        out << "## " << (p.path.empty() ? "The file" : "`" + p.path + "`") << "\n\n";
        if (!p.about.empty()) {
            std::string about = p.about;
            about[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(about[0])));
            out << about << ".\n\n";
        }
        out << "| key | kind | default | meaning |\n|---|---|---|---|\n" << p.rows << "\n";
    }
    std::string text = out.str();
    text.pop_back();
    return text;
}

}  // namespace spillway::config
