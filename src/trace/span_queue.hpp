#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include <spillway/trace/span.hpp>

namespace spillway::trace {

// What a span holds of memory, about.
std::size_t weight_of(const span& s) noexcept;

// Finished spans on their way from many workers to one thread: a linked list that is pushed to with a
// compare-exchange and taken as a whole, so that no thread ever waits. Bounded by what was let in and not
// given back.
class span_queue {
public:
    span_queue(std::size_t most_spans, std::size_t most_bytes) noexcept
        : most_spans_(most_spans), most_bytes_(most_bytes) {}
    span_queue(const span_queue&) = delete;
    span_queue& operator=(const span_queue&) = delete;
    ~span_queue() { release(head_.exchange(nullptr)); }

    struct pushed {
        bool taken{false};
        std::size_t before{0}, after{0};  // spans inside
    };
    // Any thread. Either all or none of a request's spans get in.
    pushed push(std::vector<span>&& spans) noexcept;

    // The one thread that takes: appends everything in the order in which it came.
    void take_all(std::deque<span>& out);
    // What was taken is gone: there is room for others again.
    void give_back(std::size_t spans, std::size_t bytes) noexcept;

    std::size_t size() const noexcept { return spans_.load(std::memory_order_relaxed); }

private:
    struct node {
        std::vector<span> spans;
        node* next{nullptr};
    };
    static void release(node* n) noexcept;

    const std::size_t most_spans_, most_bytes_;
    std::atomic<node*> head_{nullptr};
    std::atomic<std::size_t> spans_{0}, bytes_{0};
};

}  // namespace spillway::trace
