#pragma once

#include "object_store.hpp"

namespace spillway::sim {

// What more than one family speaks of.
inline constexpr kind response_kind{"response", "resp_"}, item_kind{"item", "msg_"},
    conversation_kind{"conversation", "conv_"}, file_kind{"file", "file-"}, chat_kind{"chat.completion", "chatcmpl-"},
    vector_store_kind{"vector_store", "vs_"}, assistant_kind{"assistant", "asst_"}, thread_kind{"thread", "thread_"},
    message_kind{"thread.message", "msg_"}, container_kind{"container", "cntr_"};

}  // namespace spillway::sim
