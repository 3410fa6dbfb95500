#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <array>
#include <iostream>
#include <nlohmann/json.hpp>

#include <spillway/base/civil.hpp>
#include <spillway/base/text.hpp>

#include "commands.hpp"

namespace spillway::cli {
namespace {

// 32 random bytes as base64url, with a prefix by which scanners for leaked keys can find them.
std::string new_key() {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::array<unsigned char, 32> bytes{};
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return {};
    std::string out = "spw_";
    unsigned held = 0, bits = 0;
    for (const unsigned char b : bytes) {
        held = held << 8 | b;
        for (bits += 8; bits >= 6; bits -= 6) out += digits[held >> (bits - 6) & 63];
    }
    out += digits[held << (6 - bits) & 63];
    OPENSSL_cleanse(bytes.data(), bytes.size());
    return out;
}

std::string hash_line(std::string_view key) {
    std::array<std::uint8_t, SHA256_DIGEST_LENGTH> d{};
    SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), d.data());
    return "sha256:" + text::to_hex(d);
}

int make_key(bool quiet) {
    std::string key = new_key();
    if (key.empty()) {
        std::cerr << "the system gave no random bytes\n";
        return 1;
    }
    if (quiet) {
        std::cout << key << '\n' << hash_line(key) << '\n';
    } else {
        std::cout << "key:  " << key << "\nhash: " << hash_line(key)
                  << "\n\nGive the key to the client, who sends it as `api-key` or `Authorization: Bearer`.\n"
                     "Put the hash under clients.<name>.keys. The key cannot be shown again.\n";
    }
    OPENSSL_cleanse(key.data(), key.size());
    return 0;
}

int hash_key() {
    std::string key;
    std::getline(std::cin, key);
    if (key.ends_with('\r')) key.pop_back();
    if (key.empty()) {
        std::cerr << "no key on standard input\n";
        return 1;
    }
    std::cout << hash_line(key) << '\n';
    OPENSSL_cleanse(key.data(), key.size());
    return 0;
}

std::string moment_text(const std::optional<wall_time>& t) {
    if (!t) return "-";
    return civil::format_moment(std::chrono::floor<seconds>(*t));
}

std::string state_of(const config::client_key& k, wall_time now) {
    if (k.expires && now >= *k.expires) return "expired";
    if (k.not_before && now < *k.not_before) return "not yet";
    // Long enough for a rotation without hurry.
    if (k.expires && *k.expires - now < hours(24 * 14)) return "expires soon";
    return "valid";
}

int list_keys(const std::string& path, bool as_json) {
    const auto checked = load(path);
    if (!checked) {
        print_issues(checked.error());
        return 1;
    }
    const auto now = wall_clock::now();
    auto out = nlohmann::json::array();
    for (const auto& [name, c] : checked->tree.clients)
        for (const auto& k : c.keys)
            out.push_back({{"client", name},
                           {"label", k.label},
                           {"hash", "sha256:" + text::to_hex(k.hash.bytes)},
                           {"not_before", moment_text(k.not_before)},
                           {"expires", moment_text(k.expires)},
                           {"state", state_of(k, now)}});
    if (as_json) {
        std::cout << out.dump(1) << '\n';
        return 0;
    }
    const auto cell = [](const std::string& s, std::size_t width) {
        return s.size() < width ? s + std::string(width - s.size(), ' ') : s + ' ';
    };
    std::cout << cell("CLIENT", 20) << cell("LABEL", 16) << cell("HASH", 22) << cell("NOT BEFORE", 22)
              << cell("EXPIRES", 22) << "STATE\n";
    for (const auto& k : out)
        std::cout << cell(k["client"], 20) << cell(k["label"].get<std::string>().empty() ? "-" : k["label"], 16)
                  << cell(k["hash"].get<std::string>().substr(0, 19) + "..", 22) << cell(k["not_before"], 22)
                  << cell(k["expires"], 22) << k["state"].get<std::string>() << '\n';
    return 0;
}

}  // namespace

void add_keys(command_line& c) {
    static bool quiet = false;
    auto* keys = c.app.add_subcommand("keys", "Make, hash and list the keys of clients");
    keys->require_subcommand(1);
    auto* make = keys->add_subcommand("new", "Make a key and its hash");
    make->add_flag("-q,--quiet", quiet, "key and hash on two lines, nothing else");
    make->callback([&c] { c.exit_code = make_key(quiet); });
    auto* hash = keys->add_subcommand("hash", "Hash a key read from standard input");
    hash->footer(
        "The key is never taken from the arguments, where other users could see it:\n"
        "  spillway keys hash < key.txt");
    hash->callback([&c] { c.exit_code = hash_key(); });
    static std::string path;
    static bool as_json = false;
    auto* list = keys->add_subcommand("list", "List the clients' keys: label, hash, times, state; never a key");
    add_config_option(*list, path);
    list->add_flag("--json", as_json, "as JSON, with whole hashes");
    list->callback([&c] { c.exit_code = list_keys(path, as_json); });
}

}  // namespace spillway::cli
