#include "sources.hpp"

// Several sources, as Azure's default credential tries them: the first that exists here and gives a token serves, and
// is asked first from then on.
namespace spillway::credentials {
namespace {

class chain final : public token_source {
public:
    explicit chain(std::vector<std::unique_ptr<token_source>> links) : links_(std::move(links)) {}

    net::task<token_answer> get(net::fetcher& by, const token_ask& asked, net::interrupt* stop) override {
        no_token last;
        std::string all;
        for (std::size_t n = 0; n < links_.size(); ++n) {
            const std::size_t i = (serving_ + n) % links_.size();
            auto answer = co_await links_[i]->get(by, asked, stop);
            if (std::holds_alternative<got_token>(answer)) {
                serving_ = i;
                co_return answer;
            }
            last = std::get<no_token>(std::move(answer));
            all += (all.empty() ? "" : "; ") + last.message;
            // One that exists and is in trouble is waited for: another identity may have other rights.
            if (!last.unavailable) break;
        }
        last.message = std::move(all);
        co_return token_answer(std::move(last));
    }
    std::string describe() const override {
        std::string out = "chain of";
        for (const auto& l : links_) out += (out.ends_with("of") ? " " : ", ") + l->describe();
        return out;
    }

private:
    std::vector<std::unique_ptr<token_source>> links_;
    std::size_t serving_{0};
};

}  // namespace

made_source make_chain(const config::credential& from, const source_context& with) {
    if (from.chain.empty()) return std::unique_ptr<token_source>();
    std::vector<std::unique_ptr<token_source>> links;
    std::string missing;
    for (const auto& name : from.chain) {
        auto made = make_source(*with.find(name), with);
        // A link that cannot work on this platform is passed over, as long as another one can.
        if (made && *made) links.push_back(std::move(*made));
        else if (!made) missing += (missing.empty() ? "" : "; ") + name + ": " + made.error().message;
    }
    if (links.empty()) return unusable("no link of the chain can work here: " + missing);
    return std::unique_ptr<token_source>(std::make_unique<chain>(std::move(links)));
}

}  // namespace spillway::credentials
