#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <spillway/net/loop.hpp>

namespace spillway::proxy {

// Access log lines of one worker on their way to the writer thread: collected without a lock and handed over in one
// piece ten times a second. When the writer falls behind, it drops lines and counts them; requests never wait.
class log_buffer {
public:
    // Takes whole lines. Called on the worker's thread, must not block.
    using sink = std::function<void(std::string&& lines)>;

    log_buffer(net::loop& l, sink to) : loop_(l), sink_(std::move(to)), timer_(&log_buffer::on_due, this) {}

    // The text under construction; end it with end_line().
    std::string& text() noexcept { return text_; }
    void end_line() {
        text_ += '\n';
        if (!timer_.armed()) loop_.wheel().schedule(timer_, loop_.now() + milliseconds(100));
        if (text_.size() > 256 * 1024) flush();
    }
    void flush() noexcept {
        if (text_.empty()) return;
        const std::size_t size = text_.capacity();
        sink_(std::move(text_));
        text_ = {};
        text_.reserve(size);
    }

private:
    static void on_due(void* self) noexcept { static_cast<log_buffer*>(self)->flush(); }

    net::loop& loop_;
    sink sink_;
    net::timer timer_;
    std::string text_;
};

}  // namespace spillway::proxy
