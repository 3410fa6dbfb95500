// What a starting process reads from the spool of another one: frames, whatever bytes the disk gives back.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "../../src/ledger/codec.hpp"

using namespace spillway;

namespace {

void require(bool what) {
    if (!what) std::abort();
}

constexpr std::string_view core::usage_record::*some_texts[] = {
    &core::usage_record::gateway, &core::usage_record::client, &core::usage_record::model,
    &core::usage_record::tries_json};

// What was understood is the same after another way through a frame.
void round_trip(const core::usage_record& r) {
    std::vector<std::uint64_t> memory(ledger::frame_size(r) / 8);
    auto* bytes = reinterpret_cast<std::byte*>(memory.data());
    ledger::encode_frame(r, bytes);
    const auto f = ledger::next_frame({bytes, memory.size() * 8}, false);
    core::usage_record again;
    require(f && f->size == memory.size() * 8 && ledger::decode(f->payload, again));
    require(again.id == r.id && again.tokens == r.tokens && again.price_nanos == r.price_nanos);
    for (const auto text : some_texts) require(again.*text == r.*text);
}

void read_payload(const std::byte* data, std::size_t size) {
    core::usage_record r;
    if (ledger::decode({data, size}, r)) round_trip(r);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // On the heap, aligned and exactly as long as it is, so that a read past the end shows.
    auto* copy = static_cast<std::byte*>(std::malloc(size == 0 ? 1 : size));
    if (size != 0) std::memcpy(copy, data, size);
    read_payload(copy, size);
    for (std::size_t at = 0; at < size;) {
        const auto f = ledger::next_frame({copy + at, size - at}, true);
        if (!f) break;
        require(f->size > 0 && f->size <= size - at);
        read_payload(f->payload.data(), f->payload.size());
        at += f->size;
    }
    ledger::next_frame({copy, size}, false);
    std::free(copy);
    return 0;
}
