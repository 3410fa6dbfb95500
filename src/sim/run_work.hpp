#pragma once

#include <string>
#include <vector>

#include "tool_calls.hpp"
#include "visit.hpp"

namespace spillway::sim {

inline constexpr kind run_kind{"thread.run", "run_"}, step_kind{"thread.run.step", "step_"};

// One stage of a run of an assistant: from its making, or from the results of tools, to calls of tools or to a
// message. Decides at once; what comes of it appears when its time has come, or with the events of the stream.
class run_work {
public:
    // `results`: of the tools that the run has asked for, as the messages of a chat.
    run_work(visit& v, const deployment& on, json run, const json& results);

    // Keeps the run and what it made.
    answer finish(bool stream, const json* new_thread);

private:
    void think(const json& results);
    json final_members() const;
    json step(const char* type, json details) const;
    json message(const char* status, bool whole) const;
    json calls_json(bool indexed) const;
    void keep_parts(duration appears);
    void emit(answer& out, std::string_view name, const json& data) const;
    void emit_text(answer& out) const;
    void emit_calls(answer& out) const;
    answer as_stream(const json* new_thread) const;

    visit& v_;
    const deployment& on_;
    json run_;
    std::vector<std::string> words_;
    std::vector<tool_call> calls_;
    token_counts usage_;
    std::string step_id_, message_id_;
    bool refused_{false};
};

}  // namespace spillway::sim
