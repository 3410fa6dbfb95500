#include "capture.hpp"

#include "record.hpp"

namespace spillway::proxy {
namespace {

// False when it was cut.
bool append_bounded(std::string& to, std::string_view what, std::size_t most) {
    const auto room = most - std::min(most, to.size());
    to.append(what.substr(0, room));
    return what.size() <= room;
}

}  // namespace

void prompt_capture::begin(const request& asked, std::size_t route, answer_pipe& pipe) {
    const auto what = at_.config().route(route).capture;
    if (what == config::capture_what::none) return;
    kept_ = std::make_unique<texts>();
    kept_->keeps_answer = what != config::capture_what::prompts;
    if (what != config::capture_what::answers)
        kept_->prompt_cut =
            !append_bounded(kept_->prompt, asked.body.view(), at_.config().tree->log.capture.max_bytes);
    pipe.watch_payload(this);
}

void prompt_capture::on_payload(std::string_view payload) {
    if (!kept_->keeps_answer) return;
    if (!append_bounded(kept_->answer, payload, at_.config().tree->log.capture.max_bytes)) kept_->answer_cut = true;
}

void prompt_capture::end(const exchange_record& r) {
    if (!kept_) return;
    captured c;
    c.at = r.asked.began_wall;
    c.request_id = r.asked.id();
    c.client = r.of_client()->name;
    c.route = r.route_name();
    c.prompt = std::move(kept_->prompt);
    c.answer = std::move(kept_->answer);
    c.prompt_cut = kept_->prompt_cut;
    c.answer_cut = kept_->answer_cut;
    kept_.reset();
    const auto& sink = at_.worker.process().capture;
    if (sink) sink(std::move(c));
}

}  // namespace spillway::proxy
