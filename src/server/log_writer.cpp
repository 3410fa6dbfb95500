#include <spillway/server/log_writer.hpp>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/null_sink.h>
#include <unistd.h>

#include <cstring>
#include <mutex>

#include <spillway/base/json_text.hpp>

namespace spillway::server {
namespace {

constexpr std::size_t most_access_bytes = 16 * 1024 * 1024, most_log_bytes = 1024 * 1024;
constexpr output_file::how how_logs_open{.mode = 0666, .make_folders = true};

void append(std::string_view s, spdlog::memory_buf_t& to) { to.append(s.data(), s.data() + s.size()); }

class json_message final : public spdlog::custom_flag_formatter {
public:
    void format(const spdlog::details::log_msg& m, const std::tm&, spdlog::memory_buf_t& to) override {
        std::string text;
        text::append_json_escaped(text, {m.payload.data(), m.payload.size()});
        append(text, to);
    }
    std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<json_message>(); }
};

class text_message final : public spdlog::custom_flag_formatter {
public:
    void format(const spdlog::details::log_msg& m, const std::tm&, spdlog::memory_buf_t& to) override {
        std::string text(m.payload.data(), m.payload.size());
        for (auto& c : text)
            if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F) c = ' ';
        append(text, to);
    }
    std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<text_message>(); }
};

class queue_sink final : public spdlog::sinks::base_sink<std::mutex> {
public:
    explicit queue_sink(std::shared_ptr<line_writer> to) : to_(std::move(to)) {}

protected:
    void sink_it_(const spdlog::details::log_msg& m) override {
        spdlog::memory_buf_t line;
        formatter_->format(m, line);
        to_->take(std::string(line.data(), line.size()));
    }
    void flush_() override {}

private:
    std::shared_ptr<line_writer> to_;
};

spdlog::level::level_enum level_of(config::log_level l) noexcept {
    switch (l) {
        case config::log_level::trace: return spdlog::level::trace;
        case config::log_level::debug: return spdlog::level::debug;
        case config::log_level::info: return spdlog::level::info;
        case config::log_level::warn: return spdlog::level::warn;
        case config::log_level::error: return spdlog::level::err;
    }
    return spdlog::level::info;
}

}  // namespace

std::unique_ptr<spdlog::formatter> log_formatter(config::log_format format) {
    auto out = std::make_unique<spdlog::pattern_formatter>();
    if (format == config::log_format::json) {
        out->add_flag<json_message>('*');
        out->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":"%*"})");
    } else {
        out->add_flag<text_message>('*');
        out->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %*");
    }
    return out;
}

void loss_teller::look(const line_writer& w) {
    const int why = w.trouble();
    const auto lost = w.lost();
    if (why != 0) {
        if (!std::exchange(failing_, true))
            spdlog::warn("{}: lines are lost, which spillway_log_dropped_total counts: {}", of_,
                         why == ENOBUFS ? "nobody reads them, or not fast enough" : std::strerror(why));
        return;
    }
    failing_ = false;
    if (lost != told_) spdlog::warn("{}: {} lines were lost; lines are written again", of_, lost - told_);
    told_ = lost;
}

access_log::access_log() : lines_(most_access_bytes, output_file::standard(STDOUT_FILENO)) {}

result<std::shared_ptr<output_file>> access_log::open(const std::string& file) {
    if (file.empty()) return output_file::standard(STDOUT_FILENO);
    return output_file::open(file, how_logs_open);
}

std::optional<fault> access_log::trouble_with(const std::string& file) {
    return file.empty() ? std::nullopt : output_file::trouble_with(file, how_logs_open);
}

void access_log::direct_to(std::shared_ptr<output_file> to) {
    to->keep();
    file_ = to->path();
    reopen_due_ = false;
    lines_.direct_to(std::move(to));
}

void access_log::reopen() {
    auto next = open(file_);
    if (next) return direct_to(std::move(*next));
    if (!std::exchange(reopen_due_, true))
        spdlog::error("access log: {}; lines go on into the file that is open, and it is tried again",
                      next.error().message);
}

void access_log::look() {
    if (reopen_due_) reopen();
    teller_.look(lines_);
}

daemon_log::daemon_log()
    : lines_(std::make_shared<line_writer>(most_log_bytes, output_file::standard(STDERR_FILENO))),
      logger_(std::make_shared<spdlog::logger>("spillway", std::make_shared<queue_sink>(lines_))) {
    spdlog::set_default_logger(logger_);
}

daemon_log::~daemon_log() {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("spillway", std::make_shared<spdlog::sinks::null_sink_mt>()));
    finish();
}

void daemon_log::configure(const config::log& from, std::string_view level_override) {
    logger_->set_formatter(log_formatter(from.format));
    logger_->set_level(level_override.empty() ? level_of(from.level)
                                              : spdlog::level::from_str(std::string(level_override)));
}

}  // namespace spillway::server
