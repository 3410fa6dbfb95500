#include "transform.hpp"

#include <spillway/http/usage_filter.hpp>

namespace spillway::proxy {
namespace {

class filter_usage final : public transform {
public:
    void feed(std::string_view payload, payload_sink out) override { filter_.feed(payload, out); }
    void finish(payload_sink out) override { filter_.finish(out); }
    bool holds() const noexcept override { return filter_.held() > 0; }

private:
    http::usage_filter filter_;
};

}  // namespace

std::unique_ptr<transform> make_usage_filter() { return std::make_unique<filter_usage>(); }

}  // namespace spillway::proxy
