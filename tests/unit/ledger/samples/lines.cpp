#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <set>
#include <system_error>

#include <spillway/base/descriptor.hpp>
#include <spillway/base/json_text.hpp>
#include <spillway/base/text.hpp>

#include "../../../../src/ledger/store.hpp"
#include "../../../../src/ledger/usage_report.hpp"

namespace spillway::ledger {

result<std::unique_ptr<usage_store>> open_lines(const std::string& url, const std::string& password);
result<std::unique_ptr<usage_reader>> read_lines(const std::string& url, const std::string& password);

namespace {

fault away(const std::string& path, int why) {
    return {.code = store_away, .message = path + ": " + std::generic_category().message(why)};
}

std::string line_of(const core::usage_record& r) {
    std::string out = "{";
    text::append_json_member(out, "id", text::to_hex(r.id.bytes));
    text::append_json_member(out, "client", r.client);
    text::append_json_member(out, "model", r.model);
    return out + ",\"tokens\":" + std::to_string(r.tokens.total()) + "}\n";
}

// A line of JSON for each record, for a collector that follows files.
class lines_store final : public usage_store {
public:
    lines_store(std::string path, int to, std::set<std::string> known)
        : path_(std::move(path)), to_(to), known_(std::move(known)) {}

    // One write(), so that all are there or none; offered twice, a record is written once.
    std::optional<fault> write(std::span<const core::usage_record> records) override {
        std::string all;
        std::set<std::string> fresh;
        for (const auto& r : records) {
            auto id = text::to_hex(r.id.bytes);
            if (!known_.contains(id) && fresh.insert(std::move(id)).second) all += line_of(r);
        }
        const auto before = ::lseek(to_.get(), 0, SEEK_END);
        if (::write(to_.get(), all.data(), all.size()) != static_cast<ssize_t>(all.size())) {
            const int why = errno;
            return ::ftruncate(to_.get(), before) == 0 ? away(path_, why) : away(path_, errno);
        }
        known_.merge(fresh);
        return {};
    }
    std::optional<fault> try_out(const core::usage_record&) override { return reach(); }
    std::optional<fault> reach() override {
        if (::access(path_.c_str(), W_OK) != 0) return away(path_, errno);
        return {};
    }
    std::optional<fault> settle() override {
        if (::fdatasync(to_.get()) != 0) return away(path_, errno);
        return {};
    }
    // Lines are kept by whoever rotates the file.
    result<bool> compact(wall_time, const config::usage_retention&) override { return false; }

private:
    std::string path_;
    descriptor to_;
    std::set<std::string> known_;
};

}  // namespace

result<std::unique_ptr<usage_store>> open_lines(const std::string& url, const std::string& /*password*/) {
    const std::string path = url.substr(url.find(':') + 1);
    std::set<std::string> known;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) known.insert(line.substr(7, 32));  // behind {"id":"
    const int to = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (to < 0) return away(path, errno);
    return std::unique_ptr<usage_store>(std::make_unique<lines_store>(path, to, std::move(known)));
}

result<std::unique_ptr<usage_reader>> read_lines(const std::string&, const std::string&) {
    return fault{.code = store_away, .message = "such a store is for others to read"};
}

}  // namespace spillway::ledger
