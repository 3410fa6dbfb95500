#include <spillway/identity/object_tag.hpp>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <algorithm>
#include <new>

#include <spillway/base/text.hpp>

namespace spillway::identity {
namespace {

constexpr std::string_view alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::size_t code_at = 1, mac_at = 1 + std::tuple_size_v<instance_code>;

constexpr int digit_of(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
    return c >= 'a' && c <= 'z' ? c - 'a' + 36 : -1;
}

// The lowest digits of a number. For 64 random bits and ten digits none is likelier than another by more than 5 %.
void write_base62(std::uint64_t n, std::span<char> out) noexcept {
    for (std::size_t i = out.size(); i-- > 0; n /= alphabet.size()) out[i] = alphabet[n % alphabet.size()];
}

void write_length(std::uint64_t n, std::uint8_t* out) noexcept {
    for (unsigned i = 0; i < 8; ++i) out[i] = static_cast<std::uint8_t>(n >> (56 - 8 * i));
}

const std::uint8_t* bytes_of(std::string_view s) noexcept { return reinterpret_cast<const std::uint8_t*>(s.data()); }

fault cannot(std::string message) { return {.code = "ObjectTags", .message = std::move(message)}; }

}  // namespace

instance_code code_of_instance(std::string_view name) noexcept {
    instance_code out;
    write_base62(text::mix(text::hash(name)), out);
    return out;
}

result<tag_ring> tag_ring::make(std::span<const tag_key> keys, std::span<const std::string> instances) {
    if (keys.empty()) return cannot("there is no key for the tags of objects");
    tag_ring out;
    const owned<EVP_MAC, EVP_MAC_free> hmac(EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr));
    char digest[] = "SHA256";
    const OSSL_PARAM with[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
    for (const auto& k : keys) {
        const std::string name = "the key " + std::to_string(k.number) + " for the tags of objects";
        if (k.number >= alphabet.size()) return cannot(name + " has a number above 61");
        if (out.find_key(alphabet[k.number]) != nullptr) return cannot(name + " is there twice");
        const auto secret = k.secret.view();
        if (secret.size() < shortest_secret) return cannot(name + " is shorter than 16 bytes");
        mac_context c(hmac ? EVP_MAC_CTX_new(hmac.get()) : nullptr);
        if (!c || EVP_MAC_init(c.get(), bytes_of(secret), secret.size(), with) != 1)
            return cannot("OpenSSL offers no HMAC with SHA-256");
        out.keys_.push_back({k.number, std::move(c)});
    }
    for (std::size_t i = 0; i < instances.size(); ++i) {
        out.codes_.push_back(code_of_instance(instances[i]));
        out.sorted_.emplace_back(out.codes_.back(), i);
    }
    std::sort(out.sorted_.begin(), out.sorted_.end());
    const auto same = std::adjacent_find(out.sorted_.begin(), out.sorted_.end(),
                                         [](const auto& a, const auto& b) { return a.first == b.first; });
    if (same != out.sorted_.end())
        return cannot("the instances " + instances[same->second] + " and " + instances[(same + 1)->second] +
                      " have the same code in tags of objects: rename one");
    return out;
}

void tag_ring::append(std::string& out, std::string_view id, std::size_t instance, std::string_view owner) const {
    const tag t = tag_for(purpose::object, id, instance, owner);
    out.append(t.data(), t.size());
}

std::optional<tag_ring::opened> tag_ring::open(std::string_view tagged, std::string_view owner) const {
    if (tagged.size() <= tag_size) return std::nullopt;
    const auto id = tagged.substr(0, tagged.size() - tag_size);
    return judge(purpose::object, tagged.substr(id.size()), id, owner, id);
}

bool tag_ring::looks_tagged(std::string_view id) const noexcept {
    if (id.size() <= tag_size) return false;
    const auto shown = id.substr(id.size() - tag_size);
    return std::all_of(shown.begin(), shown.end(), [](char c) { return digit_of(c) >= 0; }) &&
           find_key(shown.front()) != nullptr && find_instance(shown.substr(code_at, mac_at - code_at)).has_value();
}

void tag_ring::append_mark(std::string& out, std::string_view blob, std::size_t instance,
                           std::string_view owner) const {
    const tag t = tag_for(purpose::reasoning, blob.substr(0, mark_head), instance, owner);
    out.append(mark_front).append(t.data(), t.size()).append(1, '.');
}

std::optional<tag_ring::opened> tag_ring::open_mark(std::string_view marked, std::string_view owner) const {
    if (!looks_marked(marked)) return std::nullopt;
    const auto blob = marked.substr(mark_size);
    return judge(purpose::reasoning, marked.substr(mark_front.size(), tag_size), blob.substr(0, mark_head), owner,
                 blob);
}

bool tag_ring::looks_marked(std::string_view text) noexcept {
    if (text.size() < mark_size || !text.starts_with(mark_front) || text[mark_size - 1] != '.') return false;
    const auto shown = text.substr(mark_front.size(), tag_size);
    return std::all_of(shown.begin(), shown.end(), [](char c) { return digit_of(c) >= 0; });
}

// Lengths stand before the texts: what is moved from the id into the owner's name makes another tag.
tag_ring::tag tag_ring::make_tag(const key& by, purpose why, std::string_view text, const instance_code& code,
                                 std::string_view owner) {
    std::array<std::uint8_t, 2 + 8 + 8 + std::tuple_size_v<instance_code>> head;
    head[0] = static_cast<std::uint8_t>(why);
    head[1] = by.number;
    write_length(text.size(), &head[2]);
    write_length(owner.size(), &head[10]);
    std::copy(code.begin(), code.end(), &head[18]);
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> mac;
    std::size_t size = 0;
    const mac_context c(EVP_MAC_CTX_dup(by.prepared.get()));
    if (!c || EVP_MAC_update(c.get(), head.data(), head.size()) != 1 ||
        EVP_MAC_update(c.get(), bytes_of(text), text.size()) != 1 ||
        EVP_MAC_update(c.get(), bytes_of(owner), owner.size()) != 1 ||
        EVP_MAC_final(c.get(), mac.data(), &size, mac.size()) != 1 || size < 8)
        throw std::bad_alloc();  // nothing else can fail here
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < 8; ++i) number = number << 8 | mac[i];
    tag out;
    out[0] = alphabet[by.number];
    std::copy(code.begin(), code.end(), out.begin() + code_at);
    write_base62(number, std::span(out).subspan(mac_at));
    return out;
}

tag_ring::tag tag_ring::tag_for(purpose why, std::string_view text, std::size_t instance,
                                std::string_view owner) const {
    return make_tag(keys_.front(), why, text, codes_.at(instance), owner);
}

std::optional<tag_ring::opened> tag_ring::judge(purpose why, std::string_view shown, std::string_view text,
                                                std::string_view owner, std::string_view rest) const {
    const key* by = find_key(shown.front());
    if (by == nullptr) return std::nullopt;
    instance_code code;
    std::copy_n(shown.begin() + code_at, code.size(), code.begin());
    const tag right = make_tag(*by, why, text, code, owner);
    if (CRYPTO_memcmp(right.data(), shown.data(), right.size()) != 0) return std::nullopt;
    return opened{rest, find_instance({code.data(), code.size()})};
}

const tag_ring::key* tag_ring::find_key(char number) const noexcept {
    const int n = digit_of(number);
    for (const auto& k : keys_)
        if (k.number == n) return &k;
    return nullptr;
}

std::optional<std::size_t> tag_ring::find_instance(std::string_view code) const noexcept {
    const auto at = std::lower_bound(sorted_.begin(), sorted_.end(), code, [](const auto& one, std::string_view c) {
        return std::string_view(one.first.data(), one.first.size()) < c;
    });
    if (at == sorted_.end() || std::string_view(at->first.data(), at->first.size()) != code) return std::nullopt;
    return at->second;
}

}  // namespace spillway::identity
