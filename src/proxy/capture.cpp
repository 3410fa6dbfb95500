#include <spillway/proxy/exchange.hpp>

// Prompts and answers of routes that capture them. Off unless a route says so.
namespace spillway::proxy {
namespace {

// False when it was cut.
bool append_bounded(std::string& to, std::string_view what, std::size_t most) {
    const auto room = most - std::min(most, to.size());
    to.append(what.substr(0, room));
    return what.size() <= room;
}

}  // namespace

void exchange::capture_prompt() {
    const auto what = snapshot_->shared->captures[*route_];
    usage_.capture = std::make_unique<request_capture>();
    if (what == config::capture_what::answers) return;
    usage_.capture->prompt_cut = !append_bounded(usage_.capture->prompt, body_, snapshot_->shared->capture_bytes);
}

void exchange::capture_answer(std::string_view payload) {
    if (snapshot_->shared->captures[*route_] == config::capture_what::prompts) return;
    auto& c = *usage_.capture;
    if (!append_bounded(c.answer, payload, snapshot_->shared->capture_bytes)) c.answer_cut = true;
}

void exchange::end_capture() {
    if (!usage_.capture) return;
    captured c;
    c.at = usage_.began_wall;
    c.request_id = request_id();
    c.client = snapshot_->shared->clients[*client_].name;
    c.route = snapshot_->shared->route_names[*route_];
    c.prompt = std::move(usage_.capture->prompt);
    c.answer = std::move(usage_.capture->answer);
    c.prompt_cut = usage_.capture->prompt_cut;
    c.answer_cut = usage_.capture->answer_cut;
    usage_.capture.reset();
    const auto& sink = worker_.process().capture;
    if (sink) sink(std::move(c));
}

}  // namespace spillway::proxy
