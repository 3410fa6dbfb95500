#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/core/operation.hpp>
#include <spillway/http/json_scan.hpp>

namespace spillway::core {

// A deployment that a body names besides the one that is to answer, and what it would be used for.
struct named_deployment {
    std::string name;
    core::family family;
};

// Other deployments that one request may name; an agent with many tools names a few.
inline constexpr std::size_t most_deployments = 16;

// A member that refers to an object which an instance keeps.
struct object_reference {
    std::string_view member;  // in the form "tools[].vector_store_ids"
    std::string_view raw;     // its value as spelled; a view of the body
};

// What the route that serves has to allow.
struct body_needs {
    bool own_data{false};                       // the instance would read other data with its own identity
    std::string_view reasoning;                 // member that one instance alone can read; empty: none
    std::vector<named_deployment> deployments;  // each needs a route as well
    bool too_many{false};                       // it names more than most_deployments
    std::string_view state;                     // member that ties the request to objects; empty: none
    std::string_view unknown;                   // one of a kind that no gateway can look after; empty: none
    std::vector<object_reference> references;   // to objects
    bool keeps_chat{false};                     // the answer is stored
    bool stores{true};                          // likewise, of Responses: `store` is not false

    bool any() const noexcept { return own_data || too_many || !reasoning.empty() || !deployments.empty(); }
};

// Hears from the scanner what a body says besides its model: objects that one instance keeps, data that an instance
// would read in its own name, and other deployments. It looks at the places where the API has such members, so that a
// tool's schema, metadata or a text may hold the same words.
class body_facts final : public http::json_sink {
public:
    explicit body_facts(core::family f) noexcept : family_(f) {}

    void attach(http::json_query& q) noexcept;
    // The member that ties the request to objects on one instance, in the form "tools[].container"; empty: none.
    std::string_view state() const noexcept;
    body_needs take_needs() noexcept;

    void on_value(std::uint8_t place, std::string_view name, http::json_kind kind,
                  std::string_view raw) noexcept override;
    void on_close(std::uint8_t place, std::uint32_t members) noexcept override;

private:
    // What the item of `input` that is being read has shown so far.
    struct item {
        bool reasoning{false}, reference{false}, id{false}, type{false}, encrypted{false};
        std::string_view raw_id;
        std::uint32_t bare{0};  // members that say nothing but which item it is
    };

    void in_responses(std::uint8_t place, http::json_kind kind, std::string_view raw) noexcept;
    void in_item(std::uint8_t place, http::json_kind kind, std::string_view raw) noexcept;
    void in_chat(std::uint8_t place, http::json_kind kind, std::string_view raw) noexcept;
    void in_tool_type(std::string_view raw) noexcept;
    void in_own_data(std::string_view name, http::json_kind kind, std::string_view raw) noexcept;
    void found(std::string_view member, std::string_view reference = {}) noexcept;
    void names(std::string_view raw, core::family f) noexcept;

    core::family family_;
    std::string_view state_;
    item item_;
    bool approves_{false}, approval_asked_{false};
    body_needs needs_;
};

// Why such a request cannot be served by just any backend.
fault stateful_request(std::string_view member);
// Reasoning that one instance has written, and a pool of several.
fault reasoning_of_one_instance(std::string_view member);
fault too_many_deployments();
// The route does not let requests name data of their own.
fault own_data_not_allowed();

}  // namespace spillway::core
