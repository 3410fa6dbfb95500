#include "offering.hpp"

#include <algorithm>
#include <set>

#include <spillway/base/text.hpp>

namespace spillway::ledger {
namespace {

// Narrowing a large batch down to its records costs two statements for each. A store that refuses everything would be
// busy with that for minutes, so first some records alone are offered, from all parts of the batch: at each try in a
// row more of them, and others.
constexpr std::size_t some = 32;
constexpr unsigned doublings = 4;

constexpr std::string_view placeholder = "probe";

// Another id of the same moment.
core::record_id beside(core::record_id id) noexcept {
    for (std::size_t i = 9; i < id.bytes.size(); ++i) id.bytes[i] = static_cast<std::uint8_t>(~id.bytes[i]);
    return id;
}

std::string text_of(const core::record_id& id) {
    auto hex = text::to_hex(id.bytes);
    for (const std::size_t at : {8, 13, 18, 23}) hex.insert(at, 1, '-');
    return hex;
}

fault refuses_all(const fault& f) {
    return {store_away, f.who, f.status, "the store refuses every record: " + f.message};
}

}  // namespace

std::optional<fault> offering::offer(std::span<const core::usage_record> records) {
    auto f = store_->write(records);
    if (!f) taken_ = &records.back();
    if (!f || f->code != record_refused) return f;
    return narrow(records, std::move(*f));
}

std::optional<fault> offering::narrow(std::span<const core::usage_record> refused_together, fault why) {
    if (refused_together.size() == 1) {
        refused_.push_back({refused_together.data(), std::move(why.message)});
        return std::nullopt;
    }
    const auto half = refused_together.size() / 2;
    if (auto f = offer(refused_together.first(half))) return f;
    return offer(refused_together.subspan(half));
}

std::optional<fault> offering::offer_some(std::span<const core::usage_record> records) {
    const auto count = std::min(some << std::min(refused_wholly_, doublings), records.size());
    const auto shift = refused_wholly_ % (records.size() / count + 1);
    for (std::size_t i = 0; i < count && taken_ == nullptr; ++i) {
        const auto at = std::min(i * records.size() / count + shift, records.size() - 1);
        if (auto f = offer(records.subspan(at, 1))) return f;
    }
    return std::nullopt;
}

std::optional<fault> offering::try_out(const core::usage_record& control) {
    auto f = store_->try_out(control);
    if (f && f->code == record_refused) return refuses_all(*f);
    return f;
}

std::optional<fault> offering::judge() {
    if (refused_.empty()) return std::nullopt;
    if (taken_ != nullptr) {
        auto control = *taken_;
        control.id = beside(control.id);
        return try_out(control);
    }
    std::set<std::string_view> reasons;
    for (const auto& r : refused_) {
        if (!reasons.insert(r.why).second) continue;
        auto control = *r.record;
        control.id = beside(control.id);
        const auto id = text_of(control.id);
        control.request_id = id;
        for (const auto chosen : chosen_texts)
            if (!(control.*chosen).empty()) control.*chosen = placeholder;
        control.tries_json = {};
        if (auto f = try_out(control)) return f;
    }
    return std::nullopt;
}

// What stood in the way may have gone after they were refused and before the control was taken.
std::optional<fault> offering::offer_refused_again() {
    std::vector<refusal> still;
    for (auto& r : refused_) {
        auto f = store_->write({r.record, 1});
        if (f && f->code != record_refused) return f;
        if (f) still.push_back(std::move(r));
    }
    refused_ = std::move(still);
    return std::nullopt;
}

std::optional<fault> offering::write(usage_store& to, std::span<const core::usage_record> records) {
    store_ = &to;
    taken_ = nullptr;
    refused_.clear();
    if (records.empty()) return std::nullopt;
    auto f = to.write(records);
    if (!f) refused_wholly_ = 0;
    if (!f || f->code != record_refused) return f;
    if (records.size() > 2 * some) {
        if (auto gone = offer_some(records)) return gone;
        if (taken_ == nullptr)
            if (auto all = judge()) {
                ++refused_wholly_;
                return all;
            }
        refused_.clear();
    }
    if (auto gone = narrow(records, std::move(*f))) return gone;
    if (auto all = judge()) {
        refused_wholly_ = taken_ == nullptr ? refused_wholly_ + 1 : 0;
        return all;
    }
    refused_wholly_ = 0;
    return offer_refused_again();
}

}  // namespace spillway::ledger
