#include "id_tagger.hpp"

#include <spillway/core/object_ids.hpp>

namespace spillway::proxy {
namespace {

class id_tagger final : public transform, private http::id_visitor {
public:
    id_tagger(http::id_walker::form form, const tagging& by) : by_(by), walker_(form, core::object_members, *this) {}

    void feed(std::string_view payload, payload_sink out) override { walker_.feed(payload, out); }
    void finish(payload_sink out) override { walker_.finish(out); }
    bool holds() const noexcept override { return walker_.holds(); }

private:
    std::string_view on_string(int member, int parent, unsigned, std::string_view value) override {
        const auto kind = core::kind_of_member(member, parent);
        if (kind == core::id_kind::reasoning) {
            mark_.clear();
            if (!value.empty()) by_.ring->append_mark(mark_, value, by_.instance, by_.owner);
            return mark_;
        }
        if (!by_.ids || kind == core::id_kind::text || !core::is_object_id(value)) return {};
        // Each event of a stream repeats the id of its item.
        if (value != last_) {
            last_.assign(value);
            tag_.clear();
            by_.ring->append(tag_, value, by_.instance, by_.owner);
        }
        return tag_;
    }

    tagging by_;
    http::id_walker walker_;
    std::string last_, tag_, mark_;
};

}  // namespace

std::unique_ptr<transform> make_id_tagger(http::id_walker::form form, const tagging& by) {
    return std::make_unique<id_tagger>(form, by);
}

}  // namespace spillway::proxy
