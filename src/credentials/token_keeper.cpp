#include <spillway/credentials/token_keeper.hpp>

namespace spillway::credentials {

token_keeper::token_keeper(net::fetcher& by, std::shared_ptr<token_cell> cell, std::unique_ptr<token_source> source,
                           std::string scope, std::uint64_t seed)
    : fetcher_(by),
      cell_(std::move(cell)),
      source_(std::move(source)),
      scope_(std::move(scope)),
      random_(seed),
      self_(std::make_shared<token_keeper*>(this)) {
    cell_->on_renewal([&l = fetcher_.owner(), self = self_] {
        l.post([self] {
            if (*self != nullptr) (*self)->wake_.fire();
        });
    });
}

token_keeper::~token_keeper() {
    *self_ = nullptr;
    cell_->on_renewal(nullptr);
}

void token_keeper::stop() noexcept {
    stopping_ = true;
    stop_.fire();
    wake_.fire();
}

void token_keeper::adopt(std::unique_ptr<token_source> source) {
    next_source_ = std::move(source);
    wake_.fire();
}

net::task<> token_keeper::run() {
    std::uint32_t failures = 0;
    while (!stopping_) {
        wake_.reset();
        if (next_source_) source_ = std::move(next_source_);
        cell_->begin();
        token_ask asked;
        asked.scope = scope_;
        asked.claims = cell_->take_claims();
        auto answer = co_await source_->get(fetcher_, asked, &stop_);
        if (stopping_) break;
        time_point next;
        if (auto* got = std::get_if<got_token>(&answer)) {
            if (failures > 0 && tell_) tell_("the gateway's token comes again: " + source_->describe());
            failures = 0;
            std::string value = "Bearer ";
            value.reserve(value.size() + got->token.view().size() + 1);
            value += got->token.view();
            cell_->publish(secret_text(std::move(value)), got->times.expires);
            next = core::refresh_at(got->times, random_.unit());
        } else {
            const auto& refused = std::get<no_token>(answer);
            if (++failures == 1 && tell_) tell_("no token for the gateway: " + refused.message);
            cell_->fail(refused.message);
            next = clock::now() + core::retry_after(refused.how, failures, random_.unit());
        }
        cell_->finish(next);
        if (answered_) answered_();
        co_await net::sleep_until(fetcher_.owner(), next, &wake_);
    }
}

}  // namespace spillway::credentials
