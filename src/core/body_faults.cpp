#include <spillway/core/body_facts.hpp>

// Why a request is refused for what its body says.
namespace spillway::core {

fault stateful_request(std::string_view member) {
    return {
        .code = "StatefulRequestNotSupported",
        .who = origin::client,
        .status = 400,
        .message = "The member \"" + std::string(member) +
                   "\" ties the request to an object that one backend keeps, and this version of the gateway does "
                   "not know which. Send the whole input instead."};
}

fault reasoning_of_one_instance(std::string_view member) {
    return {
        .code = "StatefulRequestNotSupported",
        .who = origin::client,
        .status = 400,
        .message = "The member \"" + std::string(member) +
                   "\" brings reasoning that only the instance which wrote it can read, and this name is served by "
                   "several. Leave reasoning items out of the input, use chat completions, or ask the platform "
                   "team for a route to a pool of one instance."};
}

fault too_many_deployments() {
    return {.code = "BadRequest",
            .who = origin::client,
            .status = 400,
            .message = "The request body names more than " + std::to_string(most_deployments) +
                       " other deployments. Name fewer."};
}

fault own_data_not_allowed() {
    return {.code = "OwnDataNotAllowed",
            .who = origin::client,
            .status = 403,
            .message =
                "The request names data sources that the instance would read with its own identity, and this "
                "route does not allow it. Ask the platform team for a route with on_your_data: true."};
}

}  // namespace spillway::core
