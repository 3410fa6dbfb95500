#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include <spillway/base/civil.hpp>
#include <spillway/base/json_text.hpp>
#include <spillway/base/threads.hpp>
#include <spillway/server/capture_writer.hpp>
#include <spillway/server/output_file.hpp>

namespace spillway::server {
namespace {

constexpr output_file::how how_captures_open{.mode = 0600};

std::size_t weight_of(const captured& c) noexcept {
    return sizeof c + c.request_id.size() + c.client.size() + c.route.size() + c.prompt.size() + c.answer.size();
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
    if (!value.empty()) text::append_json_member(out, name, value);
}

}  // namespace

struct capture_writer::target {
    std::shared_ptr<output_file> file;
    redactor by;
    bool torn{false};  // the last line lacks its end

    target(std::shared_ptr<output_file> f, redactor r) : file(std::move(f)), by(std::move(r)) {}

    // 0, or why not all of it could be written.
    int append(std::string_view line) {
        while (!line.empty()) {
            const ssize_t n = ::write(file->fd(), line.data(), line.size());
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) return n < 0 ? errno : EIO;
            line.remove_prefix(static_cast<std::size_t>(n));
            torn = !line.empty();
        }
        return 0;
    }
};

std::string capture_line(const captured& what, const redactor& by) {
    std::string out = R"({"time":")" + civil::format_moment(std::chrono::floor<microseconds>(what.at), 3) + '"';
    append_member(out, "request_id", what.request_id);
    append_member(out, "client", what.client);
    append_member(out, "route", what.route);
    append_member(out, "prompt", by.apply(what.prompt));
    if (what.prompt_cut) out += R"(,"prompt_cut":true)";
    append_member(out, "answer", by.apply(what.answer));
    if (what.answer_cut) out += R"(,"answer_cut":true)";
    out += '}';
    return out;
}

capture_writer::capture_writer(std::function<void(std::string)> alarm, std::size_t most_bytes)
    : alarm_(std::move(alarm)), most_bytes_(most_bytes) {
    thread_ = std::thread([this] { work(); });
}

capture_writer::~capture_writer() { finish(); }

void capture_writer::finish() noexcept {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

bool capture_writer::take(captured&& what) noexcept {
    if (!on()) return false;
    const std::size_t weight = weight_of(what);
    try {
        const std::lock_guard lock(mutex_);
        if (waiting_bytes_ + weight <= most_bytes_) {
            waiting_.push_back(std::move(what));
            waiting_bytes_ += weight;
            wake_.notify_one();
            return true;
        }
    } catch (const std::exception&) {
        // No memory for the queue: as if it were full.
    }
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return false;
}

result<std::shared_ptr<capture_writer::target>> capture_writer::open(const std::string& file, redactor by) {
    auto opened = output_file::open(file, how_captures_open);
    if (!opened) return fault{.code = "capture_file", .message = opened.error().message};
    return std::make_shared<target>(std::move(*opened), std::move(by));
}

std::optional<fault> capture_writer::trouble_with(const std::string& file) {
    return output_file::trouble_with(file, how_captures_open);
}

void capture_writer::direct_to(std::shared_ptr<target> next) {
    if (next) next->file->keep();
    const std::lock_guard lock(mutex_);
    on_ = next != nullptr;
    to_ = std::move(next);
}

std::shared_ptr<capture_writer::target> capture_writer::present() const {
    const std::lock_guard lock(mutex_);
    return to_;
}

std::optional<fault> capture_writer::reopen() {
    const auto now = present();
    if (!now) return std::nullopt;
    auto next = open(now->file->path(), now->by);
    if (!next) return next.error();
    direct_to(std::move(*next));
    return std::nullopt;
}

void capture_writer::work() {
    block_signals();
    std::vector<captured> batch;
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        batch.swap(waiting_);
        const auto to = to_;
        lock.unlock();
        std::size_t done = 0;
        for (const auto& one : batch) {
            if (to) write(one, *to);
            else dropped_.fetch_add(1, std::memory_order_relaxed);
            done += weight_of(one);
        }
        batch.clear();
        lock.lock();
        waiting_bytes_ -= done;  // not before: what is being written takes memory too
    }
}

void capture_writer::write(const captured& what, target& to) {
    std::string why;
    try {
        std::string line = capture_line(what, to.by);
        line += '\n';
        if (to.torn) line.insert(0, 1, '\n');
        const int code = to.append(line);
        if (code == 0) {
            written_.fetch_add(1, std::memory_order_relaxed);
            told_ = false;
            return;
        }
        why = std::error_code(code, std::generic_category()).message();
    } catch (const std::exception& e) {
        why = e.what();
    }
    dropped_.fetch_add(1, std::memory_order_relaxed);
    if (!std::exchange(told_, true) && alarm_) alarm_("capture: '" + to.file->path() + "' cannot be written: " + why);
}

}  // namespace spillway::server
