#pragma once

#include <memory>
#include <string>

#include "../answer/pipe.hpp"
#include "../route/plan.hpp"

namespace spillway::proxy {

struct exchange_record;

// Prompt and answer of a route that captures them, as far as they are kept. Holds nothing on other routes.
class prompt_capture final : public payload_watcher {
public:
    explicit prompt_capture(const setting& at) noexcept : at_(at) {}

    // The route is known, and the body is here.
    void begin(const request& asked, std::size_t route, answer_pipe& pipe);
    void on_payload(std::string_view payload) override;
    void on_restart() noexcept override { kept_->answer.clear(); }
    void end(const exchange_record& r);

private:
    struct texts {
        std::string prompt, answer;
        bool prompt_cut{false}, answer_cut{false};
        bool keeps_answer{false};
    };

    const setting& at_;
    std::unique_ptr<texts> kept_;
};

}  // namespace spillway::proxy
