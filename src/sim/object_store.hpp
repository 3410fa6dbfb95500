#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <spillway/base/time.hpp>

#include "answer.hpp"
#include "blob.hpp"
#include "json_tools.hpp"

namespace spillway::sim {

// A kind of things that live on one instance and are asked for by id.
struct kind {
    std::string_view object;  // as its member "object" says
    std::string_view prefix;  // of ids
};

// What changes by itself, so long after a thing was made.
struct change {
    duration after;
    json members;  // these of the object get these values
};

// One of them.
struct stored {
    const kind* of{nullptr};
    json object;                // as the API shows it
    std::string parent;         // key of what it lies below; empty: nothing
    std::string key;            // empty: its id
    json inside;                // what the API does not show in the object
    std::vector<piece> events;  // of the stream that told of it
    std::shared_ptr<const blob> content;
    std::vector<change> plan;  // by time
    duration appears{};        // after it was kept; nobody finds it before
    time_point made{};

    std::string id() const { return string_or(object, "id", ""); }
};

// The memory of an instance, bounded in number, bytes and time: the oldest go first.
class object_store {
public:
    struct bounds {
        std::size_t objects{10000};
        std::uint64_t bytes{256ULL * 1024 * 1024};
        duration life{hours(24 * 30)};
    };
    object_store() = default;
    explicit object_store(const bounds& b) : bounds_(b) {}

    // Takes the place of what has the same key. The reference is good until the next call of keep().
    stored& keep(stored s, time_point now);
    // As it is by then. Null: unknown, expired, or not there yet.
    stored* find(const std::string& key, time_point now);
    bool has(const std::string& key, time_point now) { return find(key, now) != nullptr; }
    // With all that lies below it.
    void erase(const std::string& key);
    // Oldest first.
    std::vector<stored*> all(const kind& k, const std::string& parent, time_point now);
    std::size_t size() const noexcept { return entries_.size(); }

private:
    struct entry {
        stored what;
        std::uint64_t bytes{0};
    };
    using entries = std::map<std::uint64_t, entry>;
    static void advance(stored& s, time_point now);
    bool visible(const stored& s, time_point now) const noexcept;
    void drop(entries::iterator at);
    void trim(time_point now);

    bounds bounds_;
    entries entries_;  // by the order of their making
    std::unordered_map<std::string, std::uint64_t> keys_;
    std::uint64_t last_{0}, bytes_{0};
};

}  // namespace spillway::sim
