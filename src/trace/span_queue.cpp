#include "span_queue.hpp"

#include <new>
#include <utility>

namespace spillway::trace {

std::size_t weight_of(const span& s) noexcept {
    std::size_t out = sizeof s + s.name.size() + s.status_message.size() + s.attributes.size() * sizeof(attribute);
    for (const auto& a : s.attributes) out += a.text.size();
    return out;
}

span_queue::pushed span_queue::push(std::vector<span>&& spans) noexcept {
    const std::size_t count = spans.size();
    std::size_t bytes = 0;
    for (const auto& s : spans) bytes += weight_of(s);
    const std::size_t before = spans_.fetch_add(count, std::memory_order_relaxed);
    const std::size_t bytes_before = bytes_.fetch_add(bytes, std::memory_order_relaxed);
    node* n = nullptr;
    if (before + count <= most_spans_ && bytes_before + bytes <= most_bytes_) n = new (std::nothrow) node;
    if (n == nullptr) {
        give_back(count, bytes);
        return {false, before, before};
    }
    n->spans = std::move(spans);
    n->next = head_.load(std::memory_order_relaxed);
    while (!head_.compare_exchange_weak(n->next, n, std::memory_order_release, std::memory_order_relaxed)) {
    }
    return {true, before, before + count};
}

void span_queue::take_all(std::deque<span>& out) {
    node* newest = head_.exchange(nullptr, std::memory_order_acquire);
    node* oldest = nullptr;
    while (newest != nullptr) {
        node* next = std::exchange(newest->next, oldest);
        oldest = std::exchange(newest, next);
    }
    for (node* n = oldest; n != nullptr; n = n->next)
        for (auto& s : n->spans) out.push_back(std::move(s));
    release(oldest);
}

void span_queue::give_back(std::size_t spans, std::size_t bytes) noexcept {
    spans_.fetch_sub(spans, std::memory_order_relaxed);
    bytes_.fetch_sub(bytes, std::memory_order_relaxed);
}

void span_queue::release(node* n) noexcept {
    while (n != nullptr) delete std::exchange(n, n->next);
}

}  // namespace spillway::trace
