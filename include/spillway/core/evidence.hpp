#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include <spillway/base/time.hpp>

// What breakers judge by. Constant memory, no allocation, no lock: all workers write here, and a success costs one
// atomic addition. Two workers that meet in the same instant may lose a count; a share survives that.
namespace spillway::core {

// How exchanges ended at a backend or at an instance, lately: a ring of buckets, of which one is a sixteenth of the
// window.
class evidence_window {
public:
    struct tally {
        std::uint32_t ended{0}, failed{0};
        std::uint32_t run{0};  // failures since the last success
    };

    explicit evidence_window(duration length = seconds(30)) noexcept { set_length(length); }
    // Another length forgets what was counted.
    void set_length(duration length) noexcept;

    void success(time_point now) noexcept;
    // Counts the failure, too.
    tally failure(time_point now) noexcept;
    // An answer that began well at `began`, and was counted so, broke off.
    tally turned(time_point began, time_point now) noexcept;
    tally read(time_point now) const noexcept;
    void clear() noexcept;

private:
    static constexpr std::size_t count = 16;
    // 28 bits number of the bucket, 20 bits successes, 16 bits failures.
    using word = std::uint64_t;
    std::uint64_t number_of(time_point t) const noexcept;
    void add(std::uint64_t number, word one) noexcept;

    std::array<std::atomic<word>, count> buckets_{};
    std::atomic<duration::rep> width_{1};
    std::atomic<std::uint32_t> run_{0};
};

// When each client was last counted, so that it counts once in a window. Clients that share a slot count as one:
// that may delay a verdict and never hastens one.
class client_marks {
public:
    // False when this client has counted inside the window already.
    bool mark(std::uint32_t client, time_point now, duration window) noexcept;
    void renew(std::uint32_t client, time_point now) noexcept;
    bool marked(std::uint32_t client, time_point now, duration window) const noexcept;
    void clear() noexcept;
    std::uint32_t count_since(time_point since) const noexcept;

private:
    static constexpr std::size_t slots = 64;
    std::array<std::atomic<duration::rep>, slots> at_{};
};

// Whose failures count, of those that a client may bring about without a backend being any the worse: a broken
// stream, a reset, a refusal of the gateway's own credential. When another client has been served inside the window,
// this one counts once in it. A lone one has none to be compared with, and none to harm.
class client_evidence {
public:
    // A client has got its whole answer.
    void served(std::uint32_t client, time_point now, duration window) noexcept;
    bool counts(std::uint32_t client, time_point now, duration window) noexcept;
    // Recovered: every client may count again.
    void clear() noexcept { marks_.clear(); }

private:
    client_marks marks_;
    std::atomic<std::uint32_t> client_{~std::uint32_t{0}};          // served last
    std::atomic<duration::rep> served_at_{0}, other_served_at_{0};  // it, and the one before it
};

// Exchanges that every asked backend of a pool failed alike. One proves nothing: it may be the request's
// own doing. That several clients fare so, and none is served between them, is no request's doing.
class pool_evidence {
public:
    void served(time_point now) noexcept;
    // True when `enough` clients have failed inside the window since one was served, the last two of them not
    // the same one: one that repeats proves nothing.
    bool failed_everywhere(std::uint32_t client, time_point now, duration window, std::uint32_t enough) noexcept;
    // Whether an exchange of this client has failed everywhere inside the window.
    bool failed_lately(std::uint32_t client, time_point now, duration window) const noexcept;

private:
    client_marks marks_;
    std::atomic<duration::rep> last_served_{0}, last_failed_{0};
    std::atomic<std::uint32_t> last_client_{~std::uint32_t{0}};
};

}  // namespace spillway::core
