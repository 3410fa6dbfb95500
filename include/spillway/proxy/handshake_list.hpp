#pragma once

namespace spillway::proxy {

class session;

// Where sessions say that they shake hands.
class handshake_list {
public:
    virtual ~handshake_list() = default;
    virtual void begin_handshake(session& s) = 0;
    virtual void end_handshake(session& s) noexcept = 0;
};

}  // namespace spillway::proxy
