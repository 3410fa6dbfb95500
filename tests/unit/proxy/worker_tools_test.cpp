#include <spillway/proxy/worker_tools.hpp>

#include <gtest/gtest.h>

namespace spillway::proxy {
namespace {

TEST(worker_tools, labels_go_by_the_text_and_not_by_where_it_lies) {
    process_state process;
    stats::worker_stats stats;
    stats::label_table labels;
    worker_tools w(0, 1, process, stats, labels, [](std::string&&) {});
    std::string text = "first";
    const auto first = w.label(text);
    EXPECT_EQ(w.label(std::string("first")), first);
    text = "other";
    const auto other = w.label(text);
    EXPECT_NE(other, first);
    EXPECT_EQ(w.label(std::string_view(text).substr(0, 2)), labels.intern("ot"));
    EXPECT_EQ(w.label(text), other);
    EXPECT_EQ(labels.intern("first"), first);
}

}  // namespace
}  // namespace spillway::proxy
