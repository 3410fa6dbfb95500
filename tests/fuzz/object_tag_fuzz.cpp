// Tags of object ids: what was written opens, for its owner alone; nothing else does.
// Input: the instance (one byte), how many bytes of the rest are the owner's name (one byte), the rest.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <spillway/identity/object_tag.hpp>

using spillway::identity::tag_ring;

namespace {

void require(bool what) {
    if (!what) std::abort();
}

tag_ring make_ring() {
    const std::vector<spillway::identity::tag_key> keys = {{0, spillway::secret_text("a secret of a gateway")},
                                                           {61, spillway::secret_text("another secret of it")}};
    const std::vector<std::string> instances = {"a", "b", "c", "d"};
    return tag_ring::make(keys, instances).value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const tag_ring ring = make_ring();
    if (size < 2) return 0;
    const std::size_t instance = data[0] % 4;
    const std::string all(reinterpret_cast<const char*>(data + 2), size - 2);
    const std::string owner = all.substr(0, data[1]), text = all.substr(owner.size());

    // Nobody guesses 59 bits.
    require(!ring.open(text, owner) && !ring.open_mark(text, owner));
    ring.looks_tagged(text);
    tag_ring::looks_marked(text);

    if (!text.empty()) {
        std::string tagged = text;
        ring.append(tagged, text, instance, owner);
        require(tagged.size() == text.size() + tag_ring::tag_size && ring.looks_tagged(tagged));
        const auto back = ring.open(tagged, owner);
        require(back && back->text == text && back->instance == instance);
        require(!ring.open(tagged, owner + "x") && !ring.open("x" + tagged, owner));
    }
    std::string marked;
    ring.append_mark(marked, text, instance, owner);
    require(marked.size() == tag_ring::mark_size);
    marked += text;
    const auto back = ring.open_mark(marked, owner);
    require(tag_ring::looks_marked(marked) && back && back->text == text && back->instance == instance);
    require(!ring.open_mark(marked, owner + "x"));
    return 0;
}
