#include "checkpoint.hpp"

#include <cstring>

#include "crc32c.hpp"

namespace spillway::ledger {
namespace {

constexpr std::string_view checkpoint_magic = "SPWSUMS1";

template <class T>
void put(std::string& out, T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out.append(bytes, sizeof(T));
}

void put_text(std::string& out, std::string_view s) {
    put(out, static_cast<std::uint32_t>(s.size()));
    out += s;
}

// Reads as far as there is something; what is missing makes it fail for good.
class reader {
public:
    explicit reader(std::string_view s) : rest_(s) {}
    template <class T>
    T number() {
        T value{};
        if (rest_.size() < sizeof(T)) {
            failed_ = true;
            rest_ = {};
        } else {
            std::memcpy(&value, rest_.data(), sizeof(T));
            rest_.remove_prefix(sizeof(T));
        }
        return value;
    }
    std::string_view text() {
        const auto n = number<std::uint32_t>();
        if (n > rest_.size()) failed_ = true;
        const auto out = rest_.substr(0, n);
        rest_.remove_prefix(out.size());
        return out;
    }
    bool failed() const noexcept { return failed_; }

private:
    std::string_view rest_;
    bool failed_{false};
};

}  // namespace

std::string to_bytes(const checkpoint& c) {
    std::string out(checkpoint_magic);
    put<std::uint32_t>(out, 0);  // the checksum of what follows
    put(out, static_cast<std::uint32_t>(c.merged.size()));
    for (const auto& owner : c.merged) put_text(out, owner);
    put(out, static_cast<std::uint32_t>(c.positions.size()));
    for (const auto& [segment, position] : c.positions) {
        put_text(out, segment);
        put(out, position);
    }
    std::uint64_t how_many = 0;
    const auto count_at = out.size();
    put(out, how_many);
    c.sums.for_each([&](std::string_view client, std::string_view pool, const period_sum& s) {
        ++how_many;
        put_text(out, client);
        put_text(out, pool);
        put(out, static_cast<std::uint8_t>(s.kind));
        put(out, s.begin_day);
        put(out, s.sum.tokens);
        put(out, s.sum.money_nanos);
    });
    std::memcpy(out.data() + count_at, &how_many, sizeof how_many);
    const auto begin = checkpoint_magic.size() + sizeof(std::uint32_t);
    const auto checksum = crc32c(out.data() + begin, out.size() - begin);
    std::memcpy(out.data() + checkpoint_magic.size(), &checksum, sizeof checksum);
    return out;
}

std::optional<checkpoint> from_bytes(std::string_view bytes) {
    if (!bytes.starts_with(checkpoint_magic)) return std::nullopt;
    bytes.remove_prefix(checkpoint_magic.size());
    reader in(bytes);
    const auto checksum = in.number<std::uint32_t>();
    if (in.failed() || crc32c(bytes.data() + sizeof checksum, bytes.size() - sizeof checksum) != checksum)
        return std::nullopt;
    checkpoint c;
    for (auto n = in.number<std::uint32_t>(); n > 0 && !in.failed(); --n) c.merged.emplace(in.text());
    for (auto n = in.number<std::uint32_t>(); n > 0 && !in.failed(); --n) {
        const auto segment = in.text();
        c.positions.emplace(segment, in.number<std::uint32_t>());
    }
    for (auto n = in.number<std::uint64_t>(); n > 0 && !in.failed(); --n) {
        const auto client = in.text();
        const auto pool = in.text();
        const auto kind = in.number<std::uint8_t>();
        const auto begin = in.number<std::int32_t>();
        const auto tokens = in.number<std::uint64_t>();
        const auto money = in.number<std::int64_t>();
        if (kind > static_cast<std::uint8_t>(config::period::month)) return std::nullopt;
        c.sums.add(client, pool, {static_cast<config::period>(kind), begin, {tokens, money}});
    }
    if (in.failed()) return std::nullopt;
    return c;
}

}  // namespace spillway::ledger
