#pragma once

#include <span>
#include <string>
#include <string_view>

#include <spillway/trace/span.hpp>

// The body of an ExportTraceServiceRequest in OTLP's JSON encoding: ids in hex, 64-bit numbers as strings.
namespace spillway::trace {

// What stands in front of the spans: the resource and the scope. Made once.
std::string otlp_opening(const opening& from);
std::string otlp_request(std::string_view opening, std::span<const span> spans);

// How many spans the collector says it did not take, of an answer of 2xx. 0 when it says nothing that can be read.
std::uint64_t otlp_rejected(std::string_view answer) noexcept;

}  // namespace spillway::trace
