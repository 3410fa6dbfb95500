#pragma once

#include "account/capture.hpp"
#include "account/kept_prompt.hpp"
#include "account/spans.hpp"
#include "attempts/attempts.hpp"
#include "permit/permit.hpp"
#include "reply/reply.hpp"

namespace spillway::proxy {

// One request and its answer, from room to room: each has its own state and gives back a value or a fault; the
// exchange only walks. docs/architecture.md has the way with its files.
class exchange {
public:
    explicit exchange(connection& on);
    exchange(const exchange&) = delete;
    exchange& operator=(const exchange&) = delete;

    // Serves one request. False when the connection must not carry another one.
    net::task<bool> run();

private:
    net::task<bool> serve();
    net::task<maybe_fault> identify();
    net::task<maybe_fault> take_body();
    net::task<bool> refuse(fault f);
    net::task<bool> answer();
    net::task<void> answer_exception();
    void account();

    setting at_;
    request request_;
    caller caller_;
    plan plan_;
    permit permit_;
    answer_pipe pipe_;
    request_spans spans_;
    prompt_capture capture_;
    kept_prompt prompt_;
    delivery delivery_;
    attempts attempts_;
    reply reply_;
};

}  // namespace spillway::proxy
