#include <iostream>

#include <spillway/ledger/offer_again.hpp>

#include "usage_store.hpp"

namespace spillway::cli {
namespace {

struct again_options {
    usage_store_options store;
    std::string spool;
    std::vector<std::string> files;
    bool all{false};
};

// Of the configuration, unless an option names it.
std::optional<std::string> spool_of(const again_options& o) {
    if (!o.spool.empty()) return o.spool;
    const auto checked = load(o.store.path);
    if (!checked) {
        print_issues(checked.error());
        return {};
    }
    if (checked->tree.usage) return checked->tree.usage->spool;
    std::cerr << o.store.path << " has no usage ledger; name its folder with --spool\n";
    return {};
}

int offer_again(const again_options& o) {
    auto files = o.files;
    if (o.all == !files.empty()) throw CLI::ValidationError("FILE", "wants either files or --all");
    if (o.all) {
        const auto spool = spool_of(o);
        if (!spool) return 1;
        files = ledger::set_aside_in(*spool);
    }
    const auto at = place_of(o.store);
    if (!at) return 1;
    ledger::offered_again done;
    const auto f = ledger::offer_again(files, at->store, at->password, done);
    std::cout << "offered again: " << done.taken << " in the store, " << done.refused << " refused, "
              << done.unreadable << " unreadable\n";
    if (!done.reason.empty()) std::cerr << "refused: " << done.reason << '\n';
    if (f) std::cerr << f->message << '\n';
    return f || done.refused != 0 || done.unreadable != 0 ? 1 : 0;
}

}  // namespace

CLI::App* add_offer_again(CLI::App& usage, command_line& c) {
    static again_options o;
    auto* const again = usage.add_subcommand(
        "offer-again", "Offer records that the store refused, and that were set aside in the spool, to it once more");
    add_store_options(*again, o.store);
    again->add_option("FILE", o.files, "rejected.*.jsonl of the spool's folder");
    again->add_flag("--all", o.all, "all such files of the spool");
    again->add_option("--spool", o.spool, "the spool's folder, instead of the configuration's");
    again->footer(
        "Lines whose records are in the store afterwards are taken out of their file, the others stay. Offering the\n"
        "same record twice is harmless, and the gateway may run. Ends with 1 when something stays.");
    again->callback([&c] { c.exit_code = offer_again(o); });
    return again;
}

}  // namespace spillway::cli
