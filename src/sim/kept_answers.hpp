#pragma once

#include "visit.hpp"

namespace spillway::sim {

// What the instance remembers of an answer that it gives: the response with its input, its items and its
// conversation, or the chat completion with its messages. A response in the background is answered as queued.
void keep_response(visit& v, answer& a);
void keep_chat(visit& v, const answer& a);

}  // namespace spillway::sim
