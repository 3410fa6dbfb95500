#pragma once

#include <memory>
#include <string_view>
#include <type_traits>

namespace spillway::http {

// Takes pieces of a payload in order, each good during the call alone. A view of whatever can be called with one;
// empty pieces are left out.
class piece_sink {
public:
    template <class Out>
    requires(!std::is_same_v<std::remove_cv_t<Out>, piece_sink>) piece_sink(Out& out)
    noexcept
        : object_(const_cast<void*>(static_cast<const void*>(std::addressof(out)))),
          call_([](void* o, std::string_view s) { (*static_cast<Out*>(o))(s); }) {}

    void operator()(std::string_view s) const {
        if (!s.empty()) call_(object_, s);
    }

private:
    void* object_;
    void (*call_)(void*, std::string_view);
};

}  // namespace spillway::http
