#include "redis_store.hpp"

#include <signal.h>

#include <algorithm>
#include <random>

#include <spillway/base/threads.hpp>

#include <spillway/base/text.hpp>

namespace spillway::quota {
namespace {

constexpr duration interval = milliseconds(50);
constexpr std::size_t most_asks_at_once = 512;

// Two processes never have the same, also when one follows the other under the same name.
std::string own_name(const std::string& gateway) {
    std::random_device dice;
    std::array<std::uint8_t, 8> bytes{};
    for (auto& b : bytes) b = static_cast<std::uint8_t>(dice());
    return gateway + '.' + text::to_hex(bytes);
}

std::shared_ptr<redis_common> common_of(const opening& with) {
    auto c = std::make_shared<redis_common>();
    c->me = own_name(with.gateway);
    c->prefix = with.settings.prefix;
    c->burst = with.settings.burst;
    c->gateways = std::max<std::uint32_t>(1, with.settings.gateways);
    return c;
}

}  // namespace

redis_store::redis_store(opening with, redis_url url, net::ssl_ctx_ptr tls)
    : common_(common_of(with)),
      seeds_(std::make_shared<seed_book>()),
      alarm_(std::move(with.alarm)),
      password_(std::move(with.password)),
      link_(std::move(url), std::move(tls)) {
    report_.kind = "redis";
    report_.up = false;
    thread_ = std::thread([this] { run(); });
}

redis_store::~redis_store() {
    {
        const std::scoped_lock hold(common_->mutex);
        common_->stopped = true;
        common_->wake.notify_one();
    }
    thread_.join();
}

std::shared_ptr<holder> redis_store::get(const std::string& name, const config::quota& limits) {
    const std::scoped_lock hold(mutex_);
    auto& known = by_name_[name];
    if (!known) known = std::make_shared<redis_holder>(name, common_, seeds_);
    known->change(limits);
    return known;
}

void redis_store::seed(const std::string& holder_name, const std::string& period_key, std::int64_t tokens,
                       std::int64_t money_nanos) {
    seeds_->put(holder_name, period_key, {tokens, money_nanos});
}

bool redis_store::reset(const std::string& holder_name) {
    const std::scoped_lock hold(mutex_);
    const auto at = by_name_.find(holder_name);
    if (at == by_name_.end() || at->second.use_count() == 1) return false;
    at->second->reset();
    return true;
}

void redis_store::renew(secret_text password) {
    const std::scoped_lock hold(mutex_);
    password_ = std::move(password);
}

store::report redis_store::look() const {
    const std::scoped_lock hold(mutex_);
    return report_;
}

std::vector<holder::state> redis_store::holders(time_point now, wall_time wall) const {
    std::vector<holder::state> out;
    const std::scoped_lock hold(mutex_);
    for (const auto& [name, known] : by_name_) {
        if (known.use_count() > 1) out.push_back(known->look(now, wall));
    }
    return out;
}

redis_store::holder_list redis_store::everybody() const {
    const std::scoped_lock hold(mutex_);
    holder_list out;
    out.reserve(by_name_.size());
    for (const auto& [name, known] : by_name_) out.push_back(known);
    return out;
}

std::vector<redis_ask> redis_store::wait_until(time_point tick) {
    std::unique_lock hold(common_->mutex);
    common_->wake.wait_until(hold, tick, [this] { return common_->stopped || !common_->asks.empty(); });
    std::vector<redis_ask> out;
    while (!common_->asks.empty() && out.size() < most_asks_at_once) {
        out.push_back(std::move(common_->asks.front()));
        common_->asks.pop_front();
    }
    return out;
}

// A Redis that is loading, full or a replica answers, but is of no use.
bool redis_store::probe() {
    redis_command c{common_->prefix + ":q:{-}:s", common_->prefix + ":q:{-}:b", common_->me};
    c.resize(33, "0");
    c[3] = "1000000";
    c[16] = "-1";
    std::vector<redis_answer> answers;
    return link_.run({c}, answers) && !answers.front().empty();
}

void redis_store::connect(time_point now) {
    if (now < retry_at_) return;
    const auto password = [this] {
        const std::scoped_lock hold(mutex_);
        return password_;
    }();
    if (link_.connect(password) && probe()) {
        up_since_ = now;
        for (const auto& h : everybody()) h->came_up(clock::now());
        common_->up = true;
        {
            const std::scoped_lock hold(mutex_);
            report_.up = true;
        }
        if (alarmed_ && alarm_) alarm_("quotas: Redis at " + link_.url().name() + " is back");
        alarmed_ = false;
        return;
    }
    went_down();
}

// One that comes and goes is asked less and less often: it is forgiven when it has stayed for a while.
void redis_store::settle_back_off(time_point now) noexcept {
    if (now - up_since_ > back_off_ + seconds(1)) back_off_ = duration(0);
}

void redis_store::went_down() {
    if (link_.connected()) link_.give_up();
    const bool was_up = common_->up.exchange(false);
    const auto now = clock::now();
    if (was_up) {
        for (const auto& h : everybody()) h->went_down(now);
        settle_back_off(now);
    }
    back_off_ = std::clamp(back_off_ * 2, first_back_off, last_back_off);
    retry_at_ = now + back_off_;
    {
        const std::scoped_lock hold(mutex_);
        report_.up = false;
        report_.last_error = link_.error();
        ++report_.failures;
    }
    if (!alarmed_ && alarm_)
        alarm_("quotas: Redis at " + link_.url().name() + " is away (" + link_.error() +
               "): each gateway decides by its own share until it is back");
    alarmed_ = true;
}

// Redis serves others, but not this holder.
void redis_store::refused(redis_call& c, time_point now) {
    if (c.who->refused(c, now) && alarm_)
        alarm_("quotas: Redis at " + link_.url().name() + " cannot keep " + c.who->name() + " (" + link_.refusal() +
               "): its share decides until it can");
    const std::scoped_lock hold(mutex_);
    ++report_.refused;
    report_.last_error = link_.refusal();
}

// One round trip for all calls.
void redis_store::exchange(std::vector<redis_call>& calls) {
    std::erase_if(calls, [](const redis_call& c) { return c.words.empty(); });
    if (calls.empty()) return;
    std::vector<redis_command> commands;
    commands.reserve(calls.size());
    for (auto& c : calls) commands.push_back(std::move(c.words));
    std::vector<redis_answer> answers;
    const auto begun = clock::now();
    bool done = link_.run(commands, answers);
    // Where not one was answered it may be Redis itself: what surely is well tells.
    const auto unanswered = [](const redis_answer& a) { return a.empty(); };
    if (done && std::all_of(answers.begin(), answers.end(), unanswered)) done = probe();
    const auto now = clock::now();
    if (!done) went_down();
    for (std::size_t i = 0; i < calls.size(); ++i) {
        if (done && answers[i].empty()) {
            refused(calls[i], now);
        } else if (done) {
            calls[i].who->apply(calls[i], answers[i], now);
        } else {
            calls[i].who->failed(calls[i], now);
        }
    }
    if (!done) return;
    const std::scoped_lock hold(mutex_);
    ++report_.round_trips;
    report_.asks += static_cast<std::uint64_t>(
        std::count_if(calls.begin(), calls.end(), [](const redis_call& c) { return static_cast<bool>(c.answer); }));
    report_.round_trip_seconds = seconds_between(begun, now);
}

void redis_store::run() {
    block_signals();
    auto next_tick = clock::now();
    for (bool stop = false; !stop;) {
        auto asks = wait_until(next_tick);
        const auto now = clock::now();
        {
            const std::scoped_lock hold(common_->mutex);
            stop = common_->stopped;
        }
        if (!link_.connected()) connect(now);
        if (!link_.connected()) {
            for (auto& a : asks) a.who->answer_alone(a, now);
            next_tick = now + interval;
            continue;
        }
        std::vector<redis_call> calls;
        calls.reserve(asks.size());
        for (auto& a : asks) calls.push_back(a.who->prepare(a));
        if (now >= next_tick) {
            const auto wall = wall_clock::now();
            for (const auto& h : everybody()) h->tick(now, wall, calls);
            next_tick = now + interval;
        }
        exchange(calls);
    }
    farewell();
}

// What was leased goes back; holders that live on decide by themselves from now on.
void redis_store::farewell() {
    std::deque<redis_ask> late;
    {
        const std::scoped_lock hold(common_->mutex);
        late.swap(common_->asks);
    }
    common_->up = false;
    for (auto& a : late) a.who->answer_alone(a, clock::now());
    if (!link_.connected()) return;
    std::vector<redis_call> calls;
    const auto wall = wall_clock::now();
    for (const auto& h : everybody()) h->go_away(clock::now(), wall, calls);
    std::vector<redis_command> commands;
    commands.reserve(calls.size());
    for (auto& c : calls) commands.push_back(std::move(c.words));
    std::vector<redis_answer> answers;
    if (!commands.empty()) link_.run(commands, answers);
}

}  // namespace spillway::quota
