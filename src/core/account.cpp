#include <spillway/core/account.hpp>

#include <algorithm>

#include <spillway/base/saturating.hpp>
#include <spillway/base/time.hpp>

namespace spillway::core {
namespace {

constexpr std::uint64_t usual_answer = 256;     // tokens, when the request sets no limit
constexpr std::uint64_t tokens_a_second = 100;  // that a fast deployment writes

// The client went away while a backend had its request and no answer was there. Failed attempts cost nothing,
// but a backend that reads a prompt and thinks is paid, whether or not its answer is read.
bool left_unanswered(const ending& e) noexcept {
    return e.client_left && e.went_out && !e.local && !e.head_sent && e.op->row().estimable;
}

}  // namespace

usage_outcome outcome_of(const ending& e) noexcept {
    using outcome = usage_outcome;
    if (e.client_left) return outcome::client_left;
    if (e.broke || (e.told_error && !e.local)) return outcome::broken;
    if (e.local) return e.status < 500 && e.who == origin::client ? outcome::refused : outcome::failed;
    return e.status >= 400 ? outcome::error : outcome::ok;
}

token_basis basis_of(const ending& e, bool told) noexcept {
    if (e.op == nullptr || !e.op->row().tells_tokens) return token_basis::none;
    const bool answered = e.head_sent && !e.local && e.status < 300;
    if (!answered) return left_unanswered(e) ? token_basis::unseen : token_basis::none;
    if (told) return token_basis::answer;
    if (!e.op->row().estimable) return token_basis::none;
    return e.client_left && e.streams && e.text_bytes == 0 ? token_basis::unseen : token_basis::seen;
}

std::uint64_t reserved_answer(const operation& op, std::optional<std::uint64_t> limit,
                              std::uint64_t choices) noexcept {
    if (op.row().limit == answer_limit::none) return 0;
    return mul_sat(limit.value_or(usual_answer), choices);
}

std::uint64_t unseen_answer(duration worked, std::uint64_t reserved, std::uint64_t choices) noexcept {
    const auto ms = std::chrono::duration_cast<milliseconds>(worked).count();
    const auto written = mul_sat<std::uint64_t>(static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 0)),
                                                mul_sat(tokens_a_second, choices)) /
                         1000;
    return std::min(reserved, written);
}

}  // namespace spillway::core
