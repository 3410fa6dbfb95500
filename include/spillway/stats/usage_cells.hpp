#pragma once

#include <cstdint>

#include <spillway/stats/cells.hpp>

// What a finished request counts: tokens and money by client and pool, and the standard gen_ai metrics by model.
namespace spillway::stats {

// One request as account() knows it. Labels are interned names; what is not known is 0.
struct usage_numbers {
    label client{0}, pool{0}, operation{0};
    label model{0};          // the pool's, never what client or backend call it
    label outcome{0};        // as the ledger's record has it
    label error{0};          // why the request failed for its client: a status or code; 0: it did not
    label attempt_error{0};  // why the last attempt failed; 0: it did not
    enum class origin : std::uint8_t { none, exact, estimated } source{origin::none};
    std::uint64_t prompt{0}, completion{0}, cached{0}, reasoning{0};
    std::int64_t price_nanos{0};    // nanounits of the currency; below 0 counts as 0
    double seconds{0};              // from the request's head to the last byte
    double attempt_seconds{0};      // from sending the last attempt to its last byte; 0: none was sent
    double first_token_seconds{0};  // of a stream, from the request's head; 0: no stream, or nothing came
    double token_seconds{0};        // mean time of each token after the first; 0: unknown
};

// The cells of one model and operation.
struct model_cells {
    token_histogram input_tokens, output_tokens;
    first_token_histogram first_token_seconds;
    token_time_histogram token_seconds;
};

// The cells of one client, pool, operation and model. The counters lie side by side: one look-up, few cache lines.
struct usage_cells {
    struct by_type {
        counter prompt, completion, cached, reasoning;
    };
    by_type exact, estimated;
    counter price_nanos;

    // The owning worker's way to the cells that this one shares with other clients; found once.
    model_cells* of_model{nullptr};
    operation_histogram* request_seconds{nullptr};
    operation_histogram* operation_seconds{nullptr};
};

}  // namespace spillway::stats
