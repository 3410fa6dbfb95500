#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <spillway/base/fault.hpp>
#include <spillway/core/body_facts.hpp>
#include <spillway/core/operation.hpp>
#include <spillway/core/usage.hpp>
#include <spillway/http/json_scan.hpp>

#include "marks.hpp"

namespace spillway::proxy {

// What the body of a request says, as far as the account still asks for it when the body is gone.
struct request_terms {
    bool streams{false};
    std::optional<std::uint64_t> answer_limit;  // tokens: max_tokens and its successors
    std::uint64_t choices{1};                   // n
    std::uint64_t prompt_bytes{0};              // of the body, as far as it is prompt
    std::string end_user;                       // `user`, decoded, at most 128 bytes
};

// What of it is asked for at all.
struct terms_wanted {
    bool asks_usage{false};  // of streams whose client did not
    bool has_openai{false};  // some instance wants the model's name in bodies that need none for Azure
    bool end_users{false};
    bool prompt{false};   // how much of a long body is prompt
    bool objects{false};  // requests may use objects that an instance keeps
};

// Above this a body is looked through in slices: a stretch of work of a fifth of a millisecond.
inline constexpr std::size_t terms_slice = 64 * 1024;

// Reads the terms of a body of JSON. In one go, or in slices for long ones:
//
//   terms_reader r(body, op, wanted);
//   while (!r.go_on()) let_others_go_first();
//   auto f = r.finish(terms, marks);
//
// Faults are BadRequest (400): no UTF-8, no usable JSON object, a name that is missing or ambiguous; and those of
// core::stateful_request().
class terms_reader {
public:
    terms_reader(std::string_view body, const core::operation& op, const terms_wanted& wanted);
    terms_reader(const terms_reader&) = delete;
    terms_reader& operator=(const terms_reader&) = delete;

    std::optional<fault> read(request_terms& out, body_marks& marks);
    // Looks at the next slice. True: that was the last one.
    bool go_on();
    std::optional<fault> finish(request_terms& out, body_marks& marks);

private:
    // The few members that decide something, and where the scanner puts them.
    struct question {
        explicit question(core::family f);
        question(const question&) = delete;
        question& operator=(const question&) = delete;

        http::json_query q;
        bool responses, chats;
        std::size_t stream, user, model, options, most, most_completion, choices, most_output;
        std::array<std::size_t, 2> own_data;
        core::body_facts said;
    };

    std::optional<fault> take(request_terms& out, body_marks& marks);
    std::optional<fault> take_name(body_marks& marks) const;
    void place_model(body_marks& marks) const;
    void take_limits(request_terms& out) const;
    void take_user(request_terms& out, body_marks& marks) const;

    std::string_view body_;
    const core::operation& op_;
    terms_wanted wanted_;
    question asked_;
    std::size_t checked_{0};  // bytes known to be UTF-8
    bool not_utf8_{false};
    http::json_error error_{http::json_error::none};
    std::optional<http::json_slices> json_;
    std::optional<core::prompt_meter> prompt_;
};

}  // namespace spillway::proxy
