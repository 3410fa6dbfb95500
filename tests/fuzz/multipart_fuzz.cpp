// The reader of forms: however the bytes are split it sees the same, and what it takes is what the rules say.
// Input: the boundary up to a zero byte, the body.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <spillway/http/multipart.hpp>

using namespace spillway::http;

namespace {

void require(bool what) {
    if (!what) std::abort();
}

struct part {
    std::string name, filename, content_type, value;
    std::uint64_t offset{0};
    bool operator==(const part&) const = default;
};

struct listener final : multipart_visitor {
    std::vector<part> parts, ended;
    std::uint64_t next{0};
    void on_part(const multipart_part& p) override {
        require(parts.size() == ended.size() && p.index == parts.size());
        parts.push_back(
            {std::string(p.name), std::string(p.filename.value_or("none")), std::string(p.content_type), "", 0});
    }
    void on_value(std::uint64_t offset, std::string_view bytes) override {
        auto& p = parts.back();
        require(p.value.empty() ? offset >= next : offset == next);
        if (p.value.empty()) p.offset = offset;
        p.value += bytes;
        next = offset + bytes.size();
    }
    void on_part_end(std::uint64_t offset, std::uint64_t length) override {
        auto& p = parts.back();
        require(length == p.value.size() && (length == 0 || offset == p.offset));
        p.offset = offset;
        ended.push_back(p);
    }
};

template <class Step>
multipart_error read(const std::string& boundary, const std::string& all, listener& l, std::uint64_t& offset,
                     Step step) {
    multipart_scanner s(boundary, {.head_bytes = 200, .parts = 5});
    for (std::size_t i = 0, n = 0; i < all.size(); i += n) {
        n = step(i);
        s.feed(std::string_view(all).substr(i, n), l);
    }
    const auto e = s.finish();
    offset = s.error_offset();
    require(s.complete() == (e == multipart_error::none) && !describe(e).empty());
    return e;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input(reinterpret_cast<const char*>(data), size);
    const auto zero = input.find('\0');
    multipart_boundary(input);
    multipart_boundary("multipart/form-data" + input);
    if (zero == std::string::npos) return 0;
    const std::string boundary = input.substr(0, zero), all = input.substr(zero + 1), line = "--" + boundary;
    listener whole, split, other;
    std::uint64_t at = 0, at_split = 0, at_other = 0;
    const auto e = read(boundary, all, whole, at, [&](std::size_t) { return all.size(); });
    require(e == read(boundary, all, split, at_split, [](std::size_t i) { return 1 + i % 3; }));
    require(e == read(boundary, all, other, at_other, [](std::size_t i) { return 1 + i * 7 % 61; }));
    require(at == at_split && at == at_other && at <= all.size());
    require(whole.ended == split.ended && whole.ended == other.ended && whole.parts.size() == split.parts.size());
    for (const auto& p : whole.ended) {
        require(all.compare(p.offset, p.value.size(), p.value) == 0);
        require(all.compare(p.offset + p.value.size(), line.size() + 2, "\r\n" + line) == 0);
        require(("\n" + p.value).find("\n" + line) == std::string::npos);
        require(p.value.find('\r' + line) == std::string::npos);
    }
    // One delimiter for each part and the last one: nobody else finds more.
    if (e != multipart_error::none) return 0;
    std::size_t delimiters = all.starts_with(line);
    for (std::size_t i = 0; (i = all.find('\n' + line, i)) != std::string::npos; ++i) ++delimiters;
    require(delimiters == whole.parts.size() + 1 && whole.parts.size() == whole.ended.size());
    return 0;
}
