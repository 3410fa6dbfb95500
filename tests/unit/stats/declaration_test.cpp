#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include <spillway/stats/declaration.hpp>

namespace spillway::stats {
namespace {

TEST(metrics_reference, is_what_is_exposed) {
    std::ifstream in(std::filesystem::path(SPILLWAY_SOURCE_DIR) / "docs/metrics.md");
    std::ostringstream text;
    text << in.rdbuf();
    EXPECT_EQ(text.str(), reference_markdown())
        << "run: build/release/spillway reference --metrics > docs/metrics.md";
}

TEST(declarations, follow_the_rules_of_prometheus) {
    const std::regex name("[a-z][a-z0-9_]*");
    for (const auto& d : declarations()) {
        const std::string n(d.name);
        EXPECT_TRUE(std::regex_match(n, name)) << n;
        EXPECT_EQ(d.kind == metric_kind::total, n.ends_with("_total")) << n;
        std::set<std::string_view> labels;
        for (const auto& l : label_names(d)) {
            EXPECT_TRUE(std::regex_match(std::string(l.name), name)) << n;
            EXPECT_TRUE(labels.insert(l.name).second) << n;
            EXPECT_NE(l.name, "le") << n;
        }
    }
}

TEST(declarations, stand_once_or_side_by_side) {
    std::set<std::string_view> done;
    std::set<std::pair<std::string_view, std::string_view>> with_labels;
    std::string_view before;
    for (const auto& d : declarations()) {
        if (d.name != before) {
            EXPECT_TRUE(done.insert(d.name).second) << d.name;
            EXPECT_FALSE(d.help.empty()) << d.name;
        }
        EXPECT_TRUE(with_labels.insert({d.name, d.labels}).second) << d.name;
        before = d.name;
    }
}

TEST(declarations, tell_names_and_fixed_values_and_optional_labels) {
    const declaration d{"x_total", metric_kind::total, metric_group::usage, "client type=prompt error_type?", "x"};
    const auto labels = label_names(d);
    ASSERT_EQ(labels.size(), 3u);
    EXPECT_EQ(labels[0].name, "client");
    EXPECT_EQ(labels[1].name, "type");
    EXPECT_EQ(labels[1].value, "prompt");
    EXPECT_EQ(labels[2].name, "error_type");
    EXPECT_TRUE(labels[2].optional);
}

// Everything that workers count is there from the first scrape on, at least as a family.
TEST(exposition, has_every_metric_of_the_workers_once) {
    label_table labels;
    const worker_stats w;
    const worker_stats* all[] = {&w};
    const auto text = expose(labels, all, {});
    std::set<std::string> types;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("# TYPE ")) {
            EXPECT_TRUE(types.insert(line.substr(7, line.rfind(' ') - 7)).second) << line;
        }
    EXPECT_TRUE(types.contains("spillway_tokens_total"));
    EXPECT_TRUE(types.contains("gen_ai_client_token_usage"));
    for (const auto& t : types) {
        const auto known = declarations();
        EXPECT_TRUE(std::any_of(known.begin(), known.end(), [&](const auto& d) { return d.name == t; })) << t;
    }
}

TEST(server_metric, has_the_declared_labels) {
    std::vector<gauge_family> out;
    server_metric("spillway_config_reloads_total").add({"good"}, 3).to(out);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_TRUE(out[0].is_counter);
    EXPECT_EQ(out[0].samples[0].labels[0], (std::pair<std::string, std::string>("result", "good")));
    EXPECT_THROW(server_metric("spillway_unheard_of"), std::logic_error);
    EXPECT_THROW(server_metric("spillway_ready").add({"one too many"}, 1), std::logic_error);
}

TEST(label_table, lumps_the_rest_together_when_a_process_has_seen_too_many_names) {
    label_table labels;
    for (int i = 0; i < 70000; ++i) labels.intern("name" + std::to_string(i));
    EXPECT_EQ(labels.intern("one more"), 0);
    EXPECT_EQ(labels.name(labels.intern("name5")), "name5");
}

}  // namespace
}  // namespace spillway::stats
