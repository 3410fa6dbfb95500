#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spillway::http {

enum class json_kind : std::uint8_t { absent, string, number, true_value, false_value, null, object, array };

// One place in a document: a member of the value at another place, or each element of the array there.
struct json_place {
    std::uint8_t parent;    // number of that other place; 0 is the outermost object
    std::string_view name;  // of the member; empty: each element
    bool subtree{false};    // whatever lies below counts as this place, too
};

// Places that a caller wants to hear of, made at compile time. The first one of the list has the number 1. A place
// comes after its parent, and places with the same parent stand next to each other.
class json_places {
public:
    static constexpr std::size_t most = 64;
    static constexpr std::uint8_t nowhere = 255;

    template <std::size_t N>
    explicit consteval json_places(const json_place (&all)[N]) {
        static_assert(N < most);
        for (std::size_t i = 0; i < N; ++i) {
            const auto& p = all[i];
            const std::size_t number = i + 1;
            if (p.parent >= number) throw "a place stands before its parent";
            auto& parent = nodes_[p.parent];
            nodes_[number].name = p.name;
            nodes_[number].subtree = p.subtree;
            if (p.name.empty()) {
                parent.element = static_cast<std::uint8_t>(number);
                continue;
            }
            if (parent.count == 0) parent.first = static_cast<std::uint8_t>(number);
            if (parent.first + parent.count != number) throw "places of one parent do not stand together";
            ++parent.count;
            parent.lengths |= std::uint64_t{1} << (p.name.size() & 63);
        }
    }

    std::uint8_t member(std::uint8_t of, std::string_view name) const noexcept {
        const auto& n = nodes_[of];
        if (n.subtree) return of;
        if ((n.lengths >> (name.size() & 63) & 1) == 0) return nowhere;
        for (std::uint8_t i = n.first; i < n.first + n.count; ++i)
            if (nodes_[i].name == name) return i;
        return nowhere;
    }
    std::uint8_t element(std::uint8_t of) const noexcept { return nodes_[of].subtree ? of : nodes_[of].element; }

private:
    struct node {
        std::string_view name;
        std::uint64_t lengths{0};  // bit n: the name of some member has n bytes
        std::uint8_t first{0}, count{0}, element{nowhere};
        bool subtree{false};
    };
    std::array<node, most> nodes_{};
};

// Hears what lies at the places of a query. Views are good during the call alone.
class json_sink {
public:
    virtual ~json_sink() = default;
    // A value. `name` is that of the member, decoded, and for elements of an array the last one before them; `raw` is
    // the text of a value that is no container, as spelled.
    virtual void on_value(std::uint8_t place, std::string_view name, json_kind kind,
                          std::string_view raw) noexcept = 0;
    // The container at this place is over; it had so many members.
    virtual void on_close(std::uint8_t place, std::uint32_t members) noexcept = 0;
};

}  // namespace spillway::http
