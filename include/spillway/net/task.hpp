#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <utility>

namespace spillway::net {

// Frames are recycled per thread: a proxied request starts a handful of coroutines, and after the first few requests
// none of them reaches malloc. Classes of 128 bytes up to 4 KiB; what is larger goes to the heap, so keep buffers out
// of coroutine locals.
class frame_pool {
public:
    static void* allocate(std::size_t size) {
        const std::size_t c = (size + granule - 1) / granule;
        if (c >= classes) return ::operator new(size);
        auto& list = lists().heads[c];
        if (list == nullptr) return ::operator new(c* granule);
        node* n = list;
        list = n->next;
        --lists().counts[c];
        return n;
    }

    static void release(void* p, std::size_t size) noexcept {
        const std::size_t c = (size + granule - 1) / granule;
        auto& l = lists();
        if (c >= classes || l.counts[c] >= keep) {
            ::operator delete(p);
            return;
        }
        l.heads[c] = new (p) node{l.heads[c]};
        ++l.counts[c];
    }

private:
    static constexpr std::size_t granule = 128, classes = 33, keep = 256;
    struct node {
        node* next;
    };
    struct table {
        std::array<node*, classes> heads{};
        std::array<std::size_t, classes> counts{};
        ~table() {
            for (auto* n : heads)
                while (n != nullptr) ::operator delete(std::exchange(n, n->next));
        }
    };
    static table& lists() {
        thread_local table t;
        return t;
    }
};

template <class T>
class task;

namespace detail {

struct promise_base {
    std::coroutine_handle<> continuation{std::noop_coroutine()};
    std::exception_ptr failure;

    static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
    static void operator delete(void* p, std::size_t size) noexcept { frame_pool::release(p, size); }

    std::suspend_always initial_suspend() const noexcept { return {}; }
    struct final_awaiter {
        bool await_ready() const noexcept { return false; }
        template <class P>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) const noexcept {
            return h.promise().continuation;
        }
        void await_resume() const noexcept {}
    };
    final_awaiter final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { failure = std::current_exception(); }
};

template <class T>
struct promise : promise_base {
    std::optional<T> value;
    task<T> get_return_object();
    template <class U>
    void return_value(U&& u) {
        value.emplace(std::forward<U>(u));
    }
    T take() {
        if (failure) std::rethrow_exception(failure);
        return std::move(*value);
    }
};

template <>
struct promise<void> : promise_base {
    task<void> get_return_object();
    void return_void() const noexcept {}
    void take() const {
        if (failure) std::rethrow_exception(failure);
    }
};

}  // namespace detail

// A lazily started coroutine of one event loop: it runs when it is awaited, on the thread that awaits it, and hands
// control straight back to its awaiter. There is no executor and no lock inside: everything that resumes a task does
// so on the loop's own thread.
//
// GCC 12 destroys some temporaries of a co_await expression twice (aggregates and capturing lambdas with non-trivial
// members): give such an argument a name on the line above. tests/lint checks for it.
template <class T = void>
class [[nodiscard]] task {
public:
    using promise_type = detail::promise<T>;
    using handle = std::coroutine_handle<promise_type>;

    task() noexcept = default;
    explicit task(handle h) noexcept : handle_(h) {}
    task(task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    task& operator=(task&& other) noexcept {
        if (this != &other) {
            if (handle_) handle_.destroy();
            handle_ = std::exchange(other.handle_, {});
        }
        return *this;
    }
    ~task() {
        if (handle_) handle_.destroy();
    }

    struct awaiter {
        handle h;
        bool await_ready() const noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<> continuation) noexcept {
            h.promise().continuation = continuation;
            return h;
        }
        T await_resume() { return h.promise().take(); }
    };
    awaiter operator co_await() && noexcept { return {handle_}; }

private:
    handle handle_;
};

template <class T>
task<T> detail::promise<T>::get_return_object() {
    return task<T>(std::coroutine_handle<promise>::from_promise(*this));
}
inline task<void> detail::promise<void>::get_return_object() {
    return task<void>(std::coroutine_handle<promise>::from_promise(*this));
}

namespace detail {
struct detached {
    struct promise_type {
        static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
        static void operator delete(void* p, std::size_t size) noexcept { frame_pool::release(p, size); }
        detached get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
};
}  // namespace detail

// Starts `work` at once. When it ends, `done` is called with the exception that ended it, or null: this is where a
// session that throws ends only itself. `done` must not throw.
template <class Done>
detail::detached spawn(task<void> work, Done done) {
    std::exception_ptr failure;
    try {
        co_await std::move(work);
    } catch (...) {
        failure = std::current_exception();
    }
    done(failure);
}

}  // namespace spillway::net
