#include "redis_link.hpp"

#include <sys/time.h>

#include <hiredis/hiredis.h>

#include "redis_script.hpp"

namespace spillway::shared {
namespace {

struct reply_ender {
    void operator()(redisReply* r) const noexcept { ::freeReplyObject(r); }
};
using reply = std::unique_ptr<redisReply, reply_ender>;

timeval as_timeval(duration d) noexcept {
    const auto us = std::chrono::duration_cast<microseconds>(d).count();
    return {us / 1'000'000, us % 1'000'000};
}

reply next_reply(redisContext* c) {
    void* got = nullptr;
    if (::redisGetReply(c, &got) != REDIS_OK) return nullptr;
    return reply(static_cast<redisReply*>(got));
}

std::string first_word(const redisReply& r) {
    const std::string text(r.str, r.len);
    return text.substr(0, std::min<std::size_t>(text.find_first_of(" \r\n"), 40));
}

bool send(redisContext* c, const std::vector<const std::string*>& words) {
    std::vector<const char*> at;
    std::vector<std::size_t> size;
    for (const auto* w : words) {
        at.push_back(w->data());
        size.push_back(w->size());
    }
    return ::redisAppendCommandArgv(c, static_cast<int>(at.size()), at.data(), size.data()) == REDIS_OK;
}

}  // namespace

void redis_link::ender::operator()(redisContext* c) const noexcept { ::redisFree(c); }

redis_link::redis_link(redis_url url, secret_text password) : url_(std::move(url)), password_(std::move(password)) {}
redis_link::~redis_link() = default;

void redis_link::close() noexcept { context_.reset(); }

bool redis_link::fail(std::string what) {
    error_ = std::move(what);
    context_.reset();
    return false;
}

bool redis_link::plain(const std::vector<std::string>& words, std::string* text) {
    std::vector<const std::string*> all;
    all.reserve(words.size());
    for (const auto& w : words) all.push_back(&w);
    if (!send(context_.get(), all)) return fail("cannot write");
    const auto r = next_reply(context_.get());
    if (!r) return fail(context_->errstr);
    if (r->type == REDIS_REPLY_ERROR) return fail(words.front() + " was answered with " + first_word(*r));
    if (text != nullptr && r->type == REDIS_REPLY_STRING) text->assign(r->str, r->len);
    return true;
}

bool redis_link::connect() {
    context_.reset(::redisConnectWithTimeout(url_.host.c_str(), url_.port, as_timeval(patience)));
    if (!context_) return fail("no memory for a connection");
    if (context_->err != 0) return fail(context_->errstr);
    if (::redisSetTimeout(context_.get(), as_timeval(patience)) != REDIS_OK) return fail("no timeout can be set");
    ::redisEnableKeepAlive(context_.get());
    if (!password_.empty()) {
        std::vector<std::string> words{"AUTH"};
        if (!url_.user.empty()) words.push_back(url_.user);
        words.emplace_back(password_.view());
        const bool in = plain(words);
        cleanse(words.back());
        if (!in) return false;
    }
    if (url_.database != 0 && !plain({"SELECT", std::to_string(url_.database)})) return false;
    return plain({"SCRIPT", "LOAD", std::string(redis_script)}, &sha_);
}

bool redis_link::append(const std::string& verb, const std::string& script, const redis_command& c) {
    static const std::string two = "2";
    std::vector<const std::string*> words{&verb, &script, &two};
    for (const auto& w : c) words.push_back(&w);
    return send(context_.get(), words);
}

redis_link::read_as redis_link::read(redis_answer& out) {
    const auto r = next_reply(context_.get());
    if (!r) {
        fail(context_->errstr);
        return read_as::failure;
    }
    if (r->type == REDIS_REPLY_ERROR) {
        const auto word = first_word(*r);
        if (word == "NOSCRIPT") return read_as::no_script;
        fail("the script was answered with " + word);
        return read_as::failure;
    }
    if (r->type != REDIS_REPLY_ARRAY) {
        fail("the script was answered with something else");
        return read_as::failure;
    }
    out.clear();
    for (std::size_t i = 0; i < r->elements; ++i) {
        const auto& e = *r->element[i];
        out.push_back({e.type == REDIS_REPLY_INTEGER ? e.integer : 0,
                       e.type == REDIS_REPLY_STRING ? std::string(e.str, e.len) : std::string()});
    }
    return read_as::answer;
}

bool redis_link::run(const std::vector<redis_command>& commands, std::vector<redis_answer>& answers) {
    static const std::string by_sha = "EVALSHA";
    static const std::string by_text = "EVAL";
    answers.assign(commands.size(), {});
    const time_point late = clock::now() + 2 * patience;
    for (const auto& c : commands)
        if (!append(by_sha, sha_, c)) return fail("cannot write");
    std::vector<std::size_t> again;
    for (std::size_t i = 0; i < commands.size(); ++i) {
        const auto got = read(answers[i]);
        if (got == read_as::failure) return false;
        if (got == read_as::no_script) again.push_back(i);
        if (clock::now() > late) return fail("too slow");
    }
    // A Redis that was restarted does not know the script; the text teaches it.
    const std::string text(redis_script);
    for (const auto i : again)
        if (!append(by_text, text, commands[i])) return fail("cannot write");
    for (const auto i : again) {
        const auto got = read(answers[i]);
        if (got == read_as::no_script) return fail("Redis does not keep the script");
        if (got == read_as::failure) return false;
    }
    return true;
}

}  // namespace spillway::shared
