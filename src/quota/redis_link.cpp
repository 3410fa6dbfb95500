#include "redis_link.hpp"

#include <random>

#include "redis_script.hpp"

namespace spillway::quota {
namespace {

std::string first_word(const std::string& text) {
    return text.substr(0, std::min<std::size_t>(text.find_first_of(" \r\n"), 40));
}

// What concerns the keys of one holder, or the script's work on them. All other errors are about Redis as a whole.
bool of_one_holder(std::string_view word) noexcept { return word == "WRONGTYPE" || word == "ERR"; }

std::uint64_t any_number() {
    std::random_device dice;
    return (std::uint64_t{dice()} << 20) + dice();
}

}  // namespace

redis_link::redis_link(redis_url url, net::ssl_ctx_ptr tls)
    : url_(std::move(url)), tls_(std::move(tls)), wire_(tls_.get(), patience), asked_(any_number()) {}

bool redis_link::fail(std::string what) {
    error_ = std::move(what);
    wire_.close();
    return false;
}

bool redis_link::plain(const std::vector<std::string>& words, std::string* text) {
    std::vector<const std::string*> all;
    all.reserve(words.size());
    for (const auto& w : words) all.push_back(&w);
    if (!wire_.add(all)) return fail(wire_.error());
    const auto r = wire_.read();
    if (!r) return fail(wire_.error());
    if (r->what == redis_value::kind::error) return fail(words.front() + " was answered with " + first_word(r->text));
    if (text != nullptr && r->what == redis_value::kind::text) *text = r->text;
    return finish();
}

bool redis_link::finish() { return wire_.quiet() || fail("more answers than questions"); }

bool redis_link::connect(const secret_text& password) {
    if (!wire_.open(url_)) return fail(wire_.error());
    if (!password.empty()) {
        std::vector<std::string> words{"AUTH"};
        if (!url_.user.empty()) words.push_back(url_.user);
        words.emplace_back(password.view());
        const bool in = plain(words);
        cleanse(words.back());
        wire_.wipe();
        if (!in) return false;
    }
    if (url_.database != 0 && !plain({"SELECT", std::to_string(url_.database)})) return false;
    return plain({"SCRIPT", "LOAD", std::string(redis_script)}, &sha_);
}

bool redis_link::append(const std::string& verb, const std::string& script, const redis_command& c,
                        const std::string& question) {
    static const std::string two = "2";
    std::vector<const std::string*> words{&verb, &script, &two};
    for (const auto& w : c) words.push_back(&w);
    words.push_back(&question);
    return wire_.add(words);
}

redis_link::read_as redis_link::read(redis_answer& out, const std::string& question) {
    out.clear();
    auto r = wire_.read();
    if (!r) {
        fail(wire_.error());
        return read_as::failure;
    }
    if (r->what == redis_value::kind::error) {
        const auto word = first_word(r->text);
        if (word == "NOSCRIPT") return read_as::no_script;
        if (of_one_holder(word)) {
            refusal_ = "the script was answered with " + word;
            return read_as::refused;
        }
        fail("the script was answered with " + word);
        return read_as::failure;
    }
    if (r->what != redis_value::kind::list || r->items.size() < 2) {
        fail("the script was answered with something else");
        return read_as::failure;
    }
    if (r->items.front().text != question) {
        fail("an answer belongs to another question");
        return read_as::failure;
    }
    out = std::move(r->items);
    out.erase(out.begin());
    return read_as::answer;
}

bool redis_link::run(const std::vector<redis_command>& commands, std::vector<redis_answer>& answers) {
    static const std::string by_sha = "EVALSHA";
    static const std::string by_text = "EVAL";
    answers.assign(commands.size(), {});
    const time_point late = clock::now() + 2 * patience;
    std::vector<std::string> questions;
    questions.reserve(commands.size());
    for (const auto& c : commands) {
        questions.push_back(std::to_string(++asked_));
        if (!append(by_sha, sha_, c, questions.back())) return fail(wire_.error());
    }
    std::vector<std::size_t> again;
    for (std::size_t i = 0; i < commands.size(); ++i) {
        const auto got = read(answers[i], questions[i]);
        if (got == read_as::failure) return false;
        if (got == read_as::no_script) again.push_back(i);
        if (clock::now() > late) return fail("too slow");
    }
    // A Redis that was restarted does not know the script; the text teaches it.
    const std::string text(redis_script);
    for (const auto i : again)
        if (!append(by_text, text, commands[i], questions[i])) return fail(wire_.error());
    for (const auto i : again) {
        const auto got = read(answers[i], questions[i]);
        if (got == read_as::no_script) return fail("Redis does not keep the script");
        if (got == read_as::failure) return false;
    }
    return finish();
}

}  // namespace spillway::quota
