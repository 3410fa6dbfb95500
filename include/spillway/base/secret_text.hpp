#pragma once

#include <string.h>

#include <string>
#include <string_view>
#include <utility>

namespace spillway {

// Overwrites what a text held, also what lies behind its end in the same memory. The compiler may not leave it out.
inline void cleanse(std::string& s) noexcept {
    s.resize(s.capacity());
    ::explicit_bzero(s.data(), s.size());
    s.clear();
}

// A text that must not stay in memory afterwards: a key, a token, a password. Moving leaves nothing behind.
class secret_text {
public:
    secret_text() = default;
    explicit secret_text(std::string s) noexcept : text_(std::move(s)) {}
    secret_text(const secret_text&) = default;
    secret_text(secret_text&& other) noexcept : text_(std::move(other.text_)) { cleanse(other.text_); }
    secret_text& operator=(const secret_text& other) {
        if (this != &other) {
            cleanse(text_);
            text_ = other.text_;
        }
        return *this;
    }
    secret_text& operator=(secret_text&& other) noexcept {
        if (this != &other) {
            cleanse(text_);
            text_ = std::move(other.text_);
            cleanse(other.text_);
        }
        return *this;
    }
    ~secret_text() { cleanse(text_); }

    std::string_view view() const noexcept { return text_; }
    bool empty() const noexcept { return text_.empty(); }

    friend bool operator==(const secret_text& a, const secret_text& b) noexcept { return a.text_ == b.text_; }

private:
    std::string text_;
};

}  // namespace spillway
