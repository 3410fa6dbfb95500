#pragma once

#include <memory>
#include <string_view>
#include <type_traits>

namespace spillway::proxy {

// Where payload goes on to: a call without an allocation. Lives as long as the function it was made from.
class payload_sink {
public:
    template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, payload_sink>) payload_sink(F& f)
    noexcept
        : object_(const_cast<void*>(static_cast<const void*>(&f))),
          call_([](void* o, std::string_view s) { (*static_cast<F*>(o))(s); }) {}

    void operator()(std::string_view payload) const {
        if (!payload.empty()) call_(object_, payload);
    }

private:
    void* object_;
    void (*call_)(void*, std::string_view);
};

// Changes the payload of an answer on its way to the client. Transforms form a list; each gets what the one before it
// lets through, in any slices.
class transform {
public:
    virtual ~transform() = default;
    virtual void feed(std::string_view payload, payload_sink out) = 0;
    // The answer has ended, or broken off: what was held goes on.
    virtual void finish(payload_sink out) = 0;
    // Holds the beginning of something: nothing may be put into the stream now.
    virtual bool holds() const noexcept = 0;

    std::unique_ptr<transform> next;
};

// Takes out again what only the gateway asked for: see http::usage_filter.
std::unique_ptr<transform> make_usage_filter();

}  // namespace spillway::proxy
