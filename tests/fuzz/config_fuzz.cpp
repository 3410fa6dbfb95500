// The loader and the validation: any bytes give a tree or issues, never an exception, a crash or a long wait.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <spillway/config/validate.hpp>

using namespace spillway::config;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static constexpr std::string_view operations[] = {"chat", "embeddings"}, balancers[] = {"weighted_random"},
                                      groups[] = {"objects"};
    static constexpr store_form stores[] = {{"sqlite:", "sqlite:/path", false}};
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const environment env = [](std::string_view name) -> std::optional<std::string> {
        if (name == "SET") return "value";
        return std::nullopt;
    };
    const auto checked = check_text(text, "fuzz.yaml", {operations, groups, balancers, stores}, env);
    if (!checked) {
        if (checked.error().empty() || !has_errors(checked.error())) std::abort();
        for (const auto& i : checked.error()) format(i);
    } else if (has_errors(checked->warnings)) {
        std::abort();
    }
    return 0;
}
