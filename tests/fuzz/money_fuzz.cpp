// What a client's body and a backend's usage become: an estimate, a price, sums of a budget. Whatever bytes come,
// nothing wraps, nobody gets anything back, and a budget that is used up stays shut.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <spillway/core/price.hpp>
#include <spillway/core/usage.hpp>
#include <spillway/quota/holder.hpp>
#include <spillway/tokens/estimator.hpp>

using namespace spillway;

namespace {

void require(bool what) {
    if (!what) std::abort();
}

constexpr time_point start = time_point(hours(5));
const wall_time noon = wall_time(std::chrono::sys_days(std::chrono::year(2026) / 11 / 26)) + hours(12);

std::int64_t settled(const core::token_counts& estimate, const core::token_counts& real, const config::price& p) {
    static const auto store = quota::open({}).value();
    static std::uint64_t number = 0;
    config::quota q;
    q.tokens_per_minute = 1'000'000;
    q.budget = config::budget{1'000'000, 1'000'000'000, config::period::month};
    const auto h = store->get("client:" + std::to_string(number++ % 16), q);
    const quota::amounts reserved{to_signed(estimate.total()), core::price_of(estimate, p)};
    const quota::amounts used{to_signed(real.total()), core::price_of(real, p)};
    const auto before = h->look(start, noon);
    const auto v = h->take(reserved, start, noon);
    if (v.what == quota::verdict::kind::granted) h->settle(reserved, used, start, start, noon);
    const auto after = h->look(start, noon);
    require(after.budget_tokens >= before.budget_tokens && after.budget_money_nanos >= before.budget_money_nanos);
    require(after.budget_money_nanos >= 0 && after.concurrent == 0);
    const auto next = h->take({1, 0}, start, noon);
    if (next.what == quota::verdict::kind::granted) h->give_back({1, 0}, start, start, noon);
    require(next.wait <= hours(24 * 31));  // until the period ends, or a day's debt is over
    return used.money_nanos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    config::price p;
    std::uint64_t prices[2]{};
    std::memcpy(prices, data, std::min(size, sizeof prices));
    p.input = to_signed(prices[0] >> 1);
    p.output = to_signed(prices[1] >> 1);
    const std::string_view text(reinterpret_cast<const char*>(data), size);

    core::token_counts estimate;
    const auto bytes = core::prompt_bytes(text);
    require(bytes <= size);
    estimate.prompt = tokens::guess(bytes);
    require(estimate.prompt <= size);

    const auto object = text.find('{');
    const auto told = object == std::string_view::npos ? std::nullopt : core::parse_usage(text.substr(object));
    if (told) require(told->prompt <= core::most_tokens && told->completion <= core::most_tokens);
    require(settled(estimate, told.value_or(core::token_counts{}), p) >= 0);
    return 0;
}
