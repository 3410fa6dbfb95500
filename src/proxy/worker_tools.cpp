#include <spillway/proxy/worker_tools.hpp>

#include <utility>

#include "scratch.hpp"

namespace spillway::proxy {
namespace {

constexpr std::size_t most_known_labels = 1024;
constexpr std::size_t released_at_once = std::size_t{1} << 20;  // bytes of large buffers, in a millisecond

}  // namespace

worker_tools::worker_tools(unsigned index, std::uint64_t seed, process_state& process, stats::worker_stats& stats,
                           stats::label_table& labels, log_buffer::sink log)
    : index_(index),
      process_(process),
      stats_(stats),
      random_(seed),
      log_(loop_, std::move(log)),
      labels_(labels),
      digest_context_(EVP_MD_CTX_new()),
      digest_(EVP_MD_fetch(nullptr, "SHA256", nullptr)),
      release_(
          [](void* self) noexcept {
              auto* t = static_cast<worker_tools*>(self);
              if (!t->slabs_.release_some(released_at_once))
                  t->loop_.wheel().schedule(t->release_, t->now() + milliseconds(1));
          },
          this) {
    slabs_.release_by(
        [](void* self) noexcept {
            auto* t = static_cast<worker_tools*>(self);
            t->loop_.wheel().schedule(t->release_, t->now() + milliseconds(1));
        },
        this);
}

worker_tools::~worker_tools() { slabs_.release_by(nullptr, nullptr); }

std::array<std::uint8_t, 32> worker_tools::sha256(std::string_view of) noexcept {
    std::array<std::uint8_t, 32> out{};
    unsigned size = 0;
    EVP_DigestInit_ex2(digest_context_.get(), digest_.get(), nullptr);
    EVP_DigestUpdate(digest_context_.get(), of.data(), of.size());
    EVP_DigestFinal_ex(digest_context_.get(), out.data(), &size);
    return out;
}

stats::label worker_tools::label(std::string_view name) {
    const auto at = known_labels_.find(name.data());
    if (at != known_labels_.end() && at->second.name == name) return at->second.number;
    // Another text lies where one lay before, or it is new.
    const auto number = labels_.intern(name);
    if (at != known_labels_.end() || known_labels_.size() < most_known_labels)
        known_labels_.insert_or_assign(name.data(), known_label{std::string(name), number});
    return number;
}

stats::label worker_tools::status_label(int status) {
    if (status < 0 || status >= static_cast<int>(status_labels_.size())) status = 0;
    auto& known = status_labels_[static_cast<std::size_t>(status)];
    if (known == 0) known = labels_.intern(std::to_string(status));
    return known;
}

void worker_tools::alarm(std::string what) {
    constexpr std::uint32_t most = 5;
    if (++alarms_this_second_ <= most && process_.alarm) process_.alarm(std::move(what));
}

std::unique_ptr<scratch> worker_tools::take_scratch() {
    if (scratches_.empty()) return std::make_unique<scratch>(slabs_);
    auto s = std::move(scratches_.back());
    scratches_.pop_back();
    return s;
}

void worker_tools::give_scratch(std::unique_ptr<scratch> s) noexcept {
    s->clear();
    if (scratches_.size() < 64) scratches_.push_back(std::move(s));
}

std::unique_ptr<http::usage_tap> worker_tools::take_tap() {
    if (taps_.empty()) return std::make_unique<http::usage_tap>();
    auto t = std::move(taps_.back());
    taps_.pop_back();
    return t;
}

void worker_tools::give_tap(std::unique_ptr<http::usage_tap> t) noexcept {
    if (taps_.size() >= 64) return;
    t->reset();
    taps_.push_back(std::move(t));
}

}  // namespace spillway::proxy
