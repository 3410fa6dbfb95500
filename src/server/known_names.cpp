#include <spillway/server/known_names.hpp>

#include <spillway/core/balancer.hpp>
#include <spillway/core/operation.hpp>
#include <spillway/ledger/store_forms.hpp>

namespace spillway::server {

config::known_names known_names() noexcept {
    return {core::operation_names(), core::operation_groups(), core::balancer_names(), ledger::store_forms()};
}

}  // namespace spillway::server
