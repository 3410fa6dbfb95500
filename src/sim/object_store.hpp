#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "answer.hpp"
#include "message.hpp"

namespace spillway::sim {

// Things that live on one instance and are asked for by id: responses, files, threads and their like. Enough of each
// to see whether a request reached the instance that owns what it names.
class object_store {
public:
    // Whether a path below /openai/ or /openai/v1/ ("files/file-1/content") is about such things.
    static bool knows(std::string_view path) noexcept;

    // `fresh` makes new ids unique, `now` is in seconds since 1970.
    answer handle(const request& r, std::string_view path, const std::string& fresh, std::int64_t now);

    void keep(const json& object);
    bool has(const std::string& id) const { return objects_.contains(id); }
    std::size_t size() const noexcept { return objects_.size(); }

private:
    struct place;
    answer create(const request& r, const place& at, const std::string& fresh, std::int64_t now);
    answer list(const place& at) const;
    answer below(const request& r, const place& at, const std::string& fresh, std::int64_t now);

    std::map<std::string, json> objects_;
    std::map<std::string, std::string> contents_;  // of files
    std::deque<std::string> order_;                // oldest first; a test that runs for days forgets the oldest
};

}  // namespace spillway::sim
