#include <spillway/stats/worker_stats.hpp>

namespace spillway::stats {
namespace {

void count_tokens(usage_cells::by_type& c, const usage_numbers& n) {
    c.prompt.add(n.prompt);
    c.completion.add(n.completion);
    if (n.cached != 0) c.cached.add(n.cached);
    if (n.reasoning != 0) c.reasoning.add(n.reasoning);
}

}  // namespace

void worker_stats::count_usage(const usage_numbers& n) {
    usage_records.at({n.outcome}).add();
    if (n.pool == 0) return;
    usage_cells& c = usage.at({n.client, n.pool, n.operation, n.model});
    if (c.of_model == nullptr) {
        c.of_model = &models.at({n.operation, n.model});
        c.request_seconds = &request_operation_seconds.at({n.operation, n.model});
        c.operation_seconds = &attempt_operation_seconds.at({n.operation, n.model});
    }
    model_cells& m = *c.of_model;
    if (n.source != usage_numbers::origin::none) {
        count_tokens(n.source == usage_numbers::origin::exact ? c.exact : c.estimated, n);
        if (n.prompt != 0) m.input_tokens.observe(static_cast<double>(n.prompt));
        if (n.completion != 0) m.output_tokens.observe(static_cast<double>(n.completion));
    }
    if (n.price_nanos > 0) c.price_nanos.add(static_cast<std::uint64_t>(n.price_nanos));
    auto& request = n.error == 0 ? *c.request_seconds : request_operation_seconds.at({n.operation, n.model, n.error});
    request.observe(n.seconds);
    if (n.attempt_seconds > 0) {
        auto& attempt = n.attempt_error == 0 ? *c.operation_seconds
                                             : attempt_operation_seconds.at({n.operation, n.model, n.attempt_error});
        attempt.observe(n.attempt_seconds);
    }
    if (n.first_token_seconds > 0) m.first_token_seconds.observe(n.first_token_seconds);
    if (n.token_seconds > 0) m.token_seconds.observe(n.token_seconds);
}

}  // namespace spillway::stats
