#pragma once

#include <memory>

namespace spillway {

// Deletes by a function of a C library: `owned<X509, X509_free>` is a unique_ptr without a pointer to the function.
template <auto Free>
struct freed {
    template <class T>
    void operator()(T* p) const noexcept {
        static_cast<void>(Free(p));
    }
};
template <class T, auto Free>
using owned = std::unique_ptr<T, freed<Free>>;

}  // namespace spillway
