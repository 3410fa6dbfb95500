#include "sqlite_offer.hpp"

#include <algorithm>
#include <new>

#include "sqlite_schema.hpp"

namespace spillway::ledger {
namespace {

using core::usage_record;

constexpr std::uint64_t largest_number = std::uint64_t{1} << 50;  // so that sums of many never overflow
constexpr std::uint64_t largest_half = (std::uint64_t{1} << sqlite_half_shift) - 1;

// The columns of `records`, in their order.
enum column : int {
    key,
    facts,
    late,
    prompt_tokens,
    completion_tokens,
    price_nanos,
    parts,
    audio,
    traffic,
    waits,
    duration_us,
    rest,
    request_id,
    end_user,
    notes,
};
constexpr const char* declaration =
    "CREATE TABLE offered(key, facts, late, prompt_tokens, completion_tokens, price_nanos, parts, audio, traffic, "
    "waits, duration_us, rest, request_id, end_user, notes)";

struct table : sqlite3_vtab {
    const sqlite_offer* offer{nullptr};
};
struct cursor : sqlite3_vtab_cursor {
    const sqlite_row* at{nullptr};
    const sqlite_row* end{nullptr};
};

std::int64_t bounded(std::uint64_t n) noexcept { return static_cast<std::int64_t>(std::min(n, largest_number)); }

std::int64_t halves(std::uint64_t low, std::uint64_t high, std::uint64_t largest_high = largest_half) noexcept {
    return static_cast<std::int64_t>(std::min(low, largest_half) | std::min(high, largest_high) << sqlite_half_shift);
}

std::int64_t facts_of(const sqlite_row& row) noexcept {
    const usage_record& r = *row.record;
    return std::int64_t{r.status} | std::int64_t{static_cast<std::uint8_t>(r.outcome)} << 16 |
           std::int64_t{static_cast<std::uint8_t>(r.source)} << 20 | std::int64_t{r.streaming} << 24 |
           std::int64_t{r.priced} << 25 | std::int64_t{r.attempts} << 26 | row.kind << sqlite_kind_shift;
}

void give_text(sqlite3_context* to, std::string_view text) noexcept {
    if (!text.empty()) sqlite3_result_text(to, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
}

void give_notes(sqlite3_context* to, const usage_record& r) noexcept {
    if (r.code.empty() && r.tries_json.empty()) return;
    const auto code = r.code.substr(0, r.code.find('\n'));
    const auto size = code.size() + 1 + r.tries_json.size();
    auto* const text = static_cast<char*>(sqlite3_malloc64(size));
    if (text == nullptr) return sqlite3_result_error_nomem(to);
    *std::copy(code.begin(), code.end(), text) = '\n';
    std::copy(r.tries_json.begin(), r.tries_json.end(), text + code.size() + 1);
    sqlite3_result_text64(to, text, size, sqlite3_free, SQLITE_UTF8);
}

int give_column(sqlite3_vtab_cursor* c, sqlite3_context* to, int which) noexcept {
    const sqlite_row& row = *static_cast<cursor*>(c)->at;
    const usage_record& r = *row.record;
    const auto number = [to](std::int64_t n) { sqlite3_result_int64(to, n); };
    switch (which) {
        case key: number(row.key.key); break;
        case facts: number(facts_of(row)); break;
        case late: number(r.time_us - (row.key.key >> sqlite_ms_shift) * 1000); break;
        case prompt_tokens: number(bounded(r.tokens.prompt)); break;
        case completion_tokens: number(bounded(r.tokens.completion)); break;
        case price_nanos: number(std::clamp(r.price_nanos, -bounded(largest_number), bounded(largest_number))); break;
        case parts: number(halves(r.tokens.cached, r.tokens.reasoning)); break;
        case audio: number(halves(r.tokens.audio_prompt, r.tokens.audio_completion)); break;
        case traffic: number(halves(r.bytes_in, r.bytes_out, 0xffffffff)); break;
        case waits:
            number(
                static_cast<std::int64_t>(r.first_byte_us | std::min<std::uint64_t>(r.token_us, 0x7fffffff) << 32));
            break;
        case duration_us: number(bounded(r.duration_us)); break;
        case rest:
            if (row.key.whole_id)
                sqlite3_result_blob(to, r.id.bytes.data(), static_cast<int>(r.id.bytes.size()), SQLITE_STATIC);
            else number(row.key.rest);
            break;
        case request_id: give_text(to, r.request_id); break;
        case end_user: give_text(to, r.end_user); break;
        default: give_notes(to, r); break;
    }
    return SQLITE_OK;
}

int connect(sqlite3* db, void* offer, int, const char* const*, sqlite3_vtab** out, char**) noexcept {
    auto* const t = new (std::nothrow) table;
    if (t == nullptr) return SQLITE_NOMEM;
    t->offer = static_cast<const sqlite_offer*>(offer);
    *out = t;
    return sqlite3_declare_vtab(db, declaration);
}
int disconnect(sqlite3_vtab* t) noexcept {
    delete static_cast<table*>(t);
    return SQLITE_OK;
}
int plan(sqlite3_vtab*, sqlite3_index_info*) noexcept { return SQLITE_OK; }
int open_cursor(sqlite3_vtab*, sqlite3_vtab_cursor** out) noexcept {
    *out = new (std::nothrow) cursor;
    return *out == nullptr ? SQLITE_NOMEM : SQLITE_OK;
}
int close_cursor(sqlite3_vtab_cursor* c) noexcept {
    delete static_cast<cursor*>(c);
    return SQLITE_OK;
}
int begin(sqlite3_vtab_cursor* c, int, const char*, int, sqlite3_value**) noexcept {
    const auto rows = static_cast<const table*>(c->pVtab)->offer->rows();
    static_cast<cursor*>(c)->at = rows.data();
    static_cast<cursor*>(c)->end = rows.data() + rows.size();
    return SQLITE_OK;
}
// A batch is larger than the processor's near memory, and records lie in another order than their rows.
void fetch_early(const sqlite_row& row) noexcept {
    const auto* const bytes = reinterpret_cast<const char*>(row.record);
    for (std::size_t at = 0; at < sizeof(usage_record); at += 64) __builtin_prefetch(bytes + at);
}

int next(sqlite3_vtab_cursor* c) noexcept {
    auto& rows = *static_cast<cursor*>(c);
    ++rows.at;
    if (rows.end - rows.at > 2) {
        fetch_early(rows.at[2]);
        __builtin_prefetch(rows.at[1].record->request_id.data());
    }
    return SQLITE_OK;
}
int at_end(sqlite3_vtab_cursor* c) noexcept {
    return static_cast<cursor*>(c)->at == static_cast<cursor*>(c)->end ? 1 : 0;
}
int row_number(sqlite3_vtab_cursor* c, sqlite3_int64* out) noexcept {
    *out = static_cast<cursor*>(c)->at->key.key;
    return SQLITE_OK;
}

// No xCreate: the table is there without being made, and nothing of it lies in the file.
constexpr sqlite3_module module = [] {
    sqlite3_module m{};
    m.xConnect = connect;
    m.xDisconnect = disconnect;
    m.xBestIndex = plan;
    m.xOpen = open_cursor;
    m.xClose = close_cursor;
    m.xFilter = begin;
    m.xNext = next;
    m.xEof = at_end;
    m.xColumn = give_column;
    m.xRowid = row_number;
    return m;
}();

}  // namespace

std::optional<fault> sqlite_offer::attach(sqlite3* db) {
    if (sqlite3_create_module(db, "offered", &module, this) == SQLITE_OK) return std::nullopt;
    return sqlite_fault(db, "offering records");
}

}  // namespace spillway::ledger
