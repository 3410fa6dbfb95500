#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace spillway::net {

// Recycled blocks of one worker, so that a busy connection takes a buffer without malloc and an idle one holds none.
class slab_pool {
public:
    static constexpr std::size_t small = 16 * 1024 + 512;  // a full TLS record and a little head room

    char* take() {
        if (free_.empty()) return new char[small];
        char* p = free_.back().release();
        free_.pop_back();
        return p;
    }
    void give(char* p) noexcept {
        if (free_.size() < keep) free_.emplace_back(p);
        else delete[] p;
    }

    // Memory of a large buffer. Giving megabytes back to the kernel takes milliseconds, so that is done bit by bit by
    // `arrange`, which is called when there is some and has to call release_some() until that is done. Without one it
    // goes at once.
    static constexpr std::size_t large = std::size_t{1} << 20;
    void release_by(void (*arrange)(void*) noexcept, void* context) noexcept {
        arrange_ = arrange;
        context_ = context;
    }
    void give_large(char* p, std::size_t size) noexcept {
        std::unique_ptr<char[]> owned(p);
        if (arrange_ == nullptr || size < large || leaving_.size() == leaving_.capacity()) return;
        leaving_.push_back({std::move(owned), size});
        if (leaving_.size() == 1) arrange_(context_);
    }
    // Gives back about so many bytes. True: that was all.
    bool release_some(std::size_t bytes) noexcept;

private:
    static constexpr std::size_t keep = 128;
    struct leaving {
        std::unique_ptr<char[]> memory;
        std::size_t left{0};  // bytes at its front that still are the kernel's to take
    };
    void (*arrange_)(void*) noexcept {nullptr};
    void* context_{nullptr};
    std::vector<leaving> leaving_ = [] {
        std::vector<leaving> v;
        v.reserve(keep);
        return v;
    }();
    std::vector<std::unique_ptr<char[]>> free_ = [] {
        std::vector<std::unique_ptr<char[]>> v;
        v.reserve(keep);
        return v;
    }();
};

// A growable byte buffer that starts as a slab. Bytes are appended at the back and consumed at the front.
class buffer {
public:
    explicit buffer(slab_pool& pool) noexcept : pool_(&pool) {}
    buffer(const buffer&) = delete;
    buffer& operator=(const buffer&) = delete;
    ~buffer() { reset(); }

    std::string_view view() const noexcept { return {data_ + begin_, end_ - begin_}; }
    std::size_t size() const noexcept { return end_ - begin_; }
    bool empty() const noexcept { return begin_ == end_; }
    bool held() const noexcept { return data_ != nullptr; }
    std::size_t capacity() const noexcept { return capacity_; }

    // Room for at least `n` more bytes; may move what is held.
    std::span<char> prepare(std::size_t n) {
        if (data_ == nullptr) {
            if (n <= slab_pool::small) {
                data_ = pool_->take();
                capacity_ = slab_pool::small;
            } else {
                data_ = new char[n];
                capacity_ = n;
            }
            begin_ = end_ = 0;
        }
        if (capacity_ - end_ < n) make_room(n);
        return {data_ + end_, capacity_ - end_};
    }
    // What prepare() can give without moving anything.
    std::size_t tail_room() const noexcept { return capacity_ - end_; }
    void commit(std::size_t n) noexcept { end_ += n; }
    void consume(std::size_t n) noexcept {
        begin_ += n;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    void append(std::string_view s) {
        if (s.empty()) return;
        const auto room = prepare(s.size());
        std::memcpy(room.data(), s.data(), s.size());
        commit(s.size());
    }
    void clear() noexcept { begin_ = end_ = 0; }
    // Of buffers of one pool.
    void swap(buffer& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(begin_, other.begin_);
        std::swap(end_, other.end_);
        std::swap(capacity_, other.capacity_);
    }
    // Gives the memory back.
    void reset() noexcept {
        if (data_ == nullptr) return;
        give_back();
        data_ = nullptr;
        begin_ = end_ = capacity_ = 0;
    }

private:
    void give_back() noexcept {
        if (capacity_ == slab_pool::small) pool_->give(data_);
        else pool_->give_large(data_, capacity_);
    }
    void make_room(std::size_t n) {
        const std::size_t held_bytes = size();
        if (capacity_ - held_bytes >= n) {
            std::memmove(data_, data_ + begin_, held_bytes);
        } else {
            std::size_t bigger = capacity_ * 2;
            while (bigger - held_bytes < n) bigger *= 2;
            char* moved = new char[bigger];
            std::memcpy(moved, data_ + begin_, held_bytes);
            give_back();
            data_ = moved;
            capacity_ = bigger;
        }
        begin_ = 0;
        end_ = held_bytes;
    }

    slab_pool* pool_;
    char* data_{nullptr};
    std::size_t begin_{0}, end_{0}, capacity_{0};
};

}  // namespace spillway::net
