#include <spillway/server/log_writer.hpp>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace spillway::server {

log_writer::log_writer() : thread_([this] { work(); }) { direct_to(""); }

log_writer::~log_writer() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

bool log_writer::take(std::string&& lines) {
    const std::lock_guard lock(mutex_);
    if (waiting_bytes_ > 16 * 1024 * 1024) return false;
    waiting_bytes_ += lines.size();
    waiting_.push_back(std::move(lines));
    wake_.notify_one();
    return true;
}

void log_writer::direct_to(const std::string& file) {
    spdlog::sink_ptr sink;
    try {
        if (!file.empty()) sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(file);
    } catch (const spdlog::spdlog_ex& e) {
        spdlog::error("access log: {}; writing to standard output instead", e.what());
    }
    if (!sink) sink = std::make_shared<spdlog::sinks::stdout_sink_st>();
    auto logger = std::make_shared<spdlog::logger>("access", std::move(sink));
    logger->set_pattern("%v");
    logger->set_level(spdlog::level::trace);
    const std::lock_guard lock(mutex_);
    file_ = file;
    out_ = std::move(logger);
}

void log_writer::reopen() { direct_to(file_); }

void log_writer::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        const auto batch = std::exchange(waiting_, {});
        waiting_bytes_ = 0;
        const auto out = out_;
        lock.unlock();
        for (const auto& lines : batch) {
            std::string_view rest = lines;
            while (!rest.empty()) {
                const auto end = rest.find('\n');
                out->info(rest.substr(0, end));
                rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
            }
        }
        out->flush();
        lock.lock();
    }
}

void tell(const std::vector<config::issue>& issues) {
    for (const auto& i : issues)
        i.level == config::severity::error ? spdlog::error("{}", config::format(i))
                                           : spdlog::warn("{}", config::format(i));
}

void set_up_log(const config::log& from, std::string_view level_override) {
    auto logger = spdlog::get("spillway");
    if (!logger) {
        logger = spdlog::stderr_color_mt("spillway");
        spdlog::set_default_logger(logger);
    }
    if (from.format == config::log_format::json)
        logger->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":"%v"})");
    else logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
    auto level = spdlog::level::info;
    switch (from.level) {
        case config::log_level::trace: level = spdlog::level::trace; break;
        case config::log_level::debug: level = spdlog::level::debug; break;
        case config::log_level::info: break;
        case config::log_level::warn: level = spdlog::level::warn; break;
        case config::log_level::error: level = spdlog::level::err; break;
    }
    if (!level_override.empty()) level = spdlog::level::from_str(std::string(level_override));
    logger->set_level(level);
    logger->flush_on(spdlog::level::info);
}

}  // namespace spillway::server
