#include <array>
#include <map>

#include "status_usage.hpp"

namespace spillway::server {
namespace {

using json = nlohmann::json;

template <class Histogram>
struct sums {
    std::array<std::uint64_t, Histogram::size> counts{};
    double seconds{0};

    void add(const Histogram& h) noexcept {
        for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += h.bucket(i);
        seconds += h.sum();
    }
    json told() const {
        std::uint64_t all = 0;
        for (const auto n : counts) all += n;
        if (all == 0) return nullptr;
        return {{"count", all},
                {"mean", seconds / static_cast<double>(all)},
                {"p50", quantile(Histogram::bounds, counts, .5)},
                {"p95", quantile(Histogram::bounds, counts, .95)},
                {"p99", quantile(Histogram::bounds, counts, .99)},
                {"buckets", counts}};
    }
};

struct counts {
    std::array<std::uint64_t, 6> by_class{};  // 0: no HTTP status
    struct tokens {
        std::uint64_t prompt{0}, completion{0};
        void add(const stats::usage_cells::by_type& t) noexcept {
            prompt += t.prompt.value();
            completion += t.completion.value();
        }
    } exact, estimated;
    std::uint64_t price_nanos{0};
    sums<stats::histogram> request, first_byte;  // of pools

    json told(const std::string& name) const {
        std::uint64_t all = 0;
        for (const auto n : by_class) all += n;
        json classes = json::object();
        for (std::size_t i = 1; i < by_class.size(); ++i) classes[std::to_string(i) + "xx"] = by_class[i];
        const auto tokens_of = [](const tokens& t) -> json {
            return {{"prompt", t.prompt}, {"completion", t.completion}};
        };
        return {{"name", name},
                {"requests", all},
                {"statuses", classes},
                {"tokens", {{"exact", tokens_of(exact)}, {"estimated", tokens_of(estimated)}}},
                {"price_nanos", price_nanos}};
    }
};

class summing {
public:
    explicit summing(const stats::label_table& labels) : labels_(labels) {}

    void add(const stats::worker_stats& w) {
        w.requests.each([this](const stats::key& k, const stats::counter& c) {
            const auto at = class_of(k[3]);
            clients_[k[0]].by_class[at] += c.value();
            pools_[k[1]].by_class[at] += c.value();
        });
        w.usage.each([this](const stats::key& k, const stats::usage_cells& c) {
            for (auto* to : {&clients_[k[0]], &pools_[k[1]]}) {
                to->exact.add(c.exact);
                to->estimated.add(c.estimated);
                to->price_nanos += c.price_nanos.value();
            }
        });
        w.request_seconds.each([this](const stats::key& k, const auto& h) { pools_[k[0]].request.add(h); });
        w.first_byte_seconds.each([this](const stats::key& k, const auto& h) { pools_[k[0]].first_byte.add(h); });
    }

    json told() const {
        json clients = json::array(), pools = json::array();
        for (const auto& [label, c] : clients_) clients.push_back(c.told(labels_.name(label)));
        for (const auto& [label, c] : pools_) {
            auto one = c.told(labels_.name(label));
            one["seconds"] = c.request.told();
            one["first_byte_seconds"] = c.first_byte.told();
            pools.push_back(std::move(one));
        }
        return {{"clients", clients}, {"pools", pools}, {"bucket_bounds", stats::time_bounds}};
    }

private:
    std::size_t class_of(stats::label status) {
        const auto [at, fresh] = classes_.try_emplace(status, std::size_t{0});
        if (fresh) {
            const auto name = labels_.name(status);
            if (name.size() == 3 && name[0] >= '1' && name[0] <= '5')
                at->second = static_cast<std::size_t>(name[0] - '0');
        }
        return at->second;
    }

    const stats::label_table& labels_;
    std::map<stats::label, counts> clients_, pools_;
    std::map<stats::label, std::size_t> classes_;
};

}  // namespace

double quantile(std::span<const double> bounds, std::span<const std::uint64_t> counts, double part) noexcept {
    double all = 0;
    for (const auto n : counts) all += static_cast<double>(n);
    const double wanted = part * all;
    double below = 0;
    for (std::size_t i = 0; all > 0 && i < bounds.size(); ++i) {
        const auto here = static_cast<double>(counts[i]);
        if (here > 0 && below + here >= wanted) {
            const double from = i == 0 ? 0 : bounds[i - 1];
            return from + (bounds[i] - from) * (wanted - below) / here;
        }
        below += here;
    }
    return all > 0 ? bounds.back() : 0;
}

json traffic_of(const stats::label_table& labels, std::span<const stats::worker_stats* const> workers) {
    summing all(labels);
    for (const auto* w : workers) all.add(*w);
    return all.told();
}

}  // namespace spillway::server
