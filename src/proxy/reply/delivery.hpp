#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include <spillway/base/fault.hpp>

namespace spillway::proxy {

// A wait in the two forms that SDKs read: whole seconds rounded up, exact milliseconds.
struct wait_figures {
    explicit wait_figures(duration wait) noexcept
        : ms(static_cast<std::uint64_t>(std::chrono::ceil<milliseconds>(wait).count())),
          seconds(std::max<std::uint64_t>(1, (ms + 999) / 1000)) {}
    std::uint64_t ms, seconds;
};

// What the client has got of its answer, and how that ended. Told by those who write to the client.
class delivery {
public:
    // The answer is the gateway's own. `code` is static.
    void answers_itself(std::string_view code, origin who) noexcept {
        code_ = code;
        who_ = who;
    }
    void has_status(int status) noexcept { status_ = status; }
    // From here on bytes of an answer may be on their way.
    void begins() noexcept { begun_ = true; }
    void sends_head() noexcept { begun_ = head_sent_ = true; }
    void sends(std::size_t bytes) noexcept { bytes_ += bytes; }
    // The answer broke off; why, as a word of few. Static.
    void breaks(std::string_view why) noexcept { broken_why_ = why; }
    void loses_client() noexcept { client_left_ = true; }
    // For the account: a client that left before there was any answer.
    void settle_status() noexcept {
        if (client_left_ && status_ == 0) status_ = 499;
    }

    int status() const noexcept { return status_; }
    bool is_local() const noexcept { return !code_.empty(); }
    std::string_view code() const noexcept { return code_; }
    origin who() const noexcept { return who_; }
    bool begun() const noexcept { return begun_; }
    bool head_sent() const noexcept { return head_sent_; }
    bool client_left() const noexcept { return client_left_; }
    bool broke() const noexcept { return !broken_why_.empty(); }
    std::string_view broken_why() const noexcept { return broken_why_; }
    std::uint64_t bytes() const noexcept { return bytes_; }
    // The code of the gateway's own answer, or why a stream broke; empty: neither.
    std::string_view failure() const noexcept { return code_.empty() ? broken_why_ : code_; }

private:
    std::string_view code_, broken_why_;
    std::uint64_t bytes_{0};
    int status_{0};
    origin who_{origin::gateway};
    bool begun_{false}, head_sent_{false}, client_left_{false};
};

}  // namespace spillway::proxy
