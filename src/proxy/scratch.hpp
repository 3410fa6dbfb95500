#pragma once

#include <string>
#include <vector>

#include <spillway/base/time.hpp>
#include <spillway/core/operation.hpp>
#include <spillway/http/head.hpp>
#include <spillway/net/slab.hpp>

#include "request/marks.hpp"

namespace spillway::proxy {

// Bytes of the body that backends do not get.
struct body_cut {
    std::size_t at{0}, removed{0};
};

// What an exchange needs only until its answer is committed: heads, bodies, the state of attempts. Recycled by the
// worker, so that a stream that runs for minutes does not hold it.
struct scratch {
    explicit scratch(net::slab_pool& slabs) : body(slabs), out(slabs), answer(slabs) {}
    void clear() noexcept {
        body.reset();
        out.reset();
        answer.reset();
        target.clear();
        start.clear();
        if (start.capacity() > 4096) start = std::string();
        request.fields.clear();
        query.clear();
        upstream_query.clear();
        ids.clear();
        id_edits.clear();
        pieces.clear();
        boundary = {};
        upload = {};
        upstream_what = {};
        marks = {};
    }

    http::request_head request;
    http::response_head response;
    net::buffer body;            // the request's body, when it does not lie behind the head in the session's input
    net::buffer out;             // head of the attempt, then head of the answer
    net::buffer answer;          // what came from the backend and is not passed on yet
    std::string target;          // rewritten request target
    std::string query;           // of the request without its secrets, when it had some
    std::string upstream_query;  // without names of deployments, when it had some, and with the instance's ids
    std::vector<body_cut> id_edits;        // tags and marks in the body, by place
    std::vector<std::string_view> pieces;  // of the body as the present backend gets it
    std::string ids;                       // of the path without their tags, one behind the other
    core::classified upstream_what;        // the operation, with these ids once they are proved
    std::string_view boundary;             // of the body, when it is a form
    // Of a body that passes: its length as told, bytes that have come with their framing and without, and since when.
    struct {
        std::uint64_t length{0}, raw{0}, passed{0};
        time_point since{};
    } upload;
    body_marks marks;
    std::string start;  // data of the event at the start of a stream that is being judged
};

}  // namespace spillway::proxy
