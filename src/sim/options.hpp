#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <spillway/base/fault.hpp>
#include <spillway/base/time.hpp>

#include "fault_rule.hpp"
#include "identity_options.hpp"
#include "quota.hpp"

namespace spillway::sim {

struct deployment_options {
    std::string name;
    std::string model;    // empty: the deployment's name
    std::string version;  // may be empty
    std::string type{"standard"};
    quota_limits quota;
    duration first_token{milliseconds(20)};
    duration per_token{milliseconds(5)};
    std::uint64_t answer_tokens{20};    // unless the request wants fewer
    double answer_spread{0};            // answers are shorter by up to this part, as the prompt will have it
    std::uint64_t reasoning_tokens{0};  // up to so many are thought before the answer
    std::uint64_t image_bytes{1024};    // of an image
    double cached_share{0};             // up to this part of a prompt comes from the cache

    bool provisioned() const { return type.find("provisioned") != std::string::npos; }
    std::string full_model() const { return version.empty() ? model : model + "-" + version; }
};

struct tls_files {
    std::string certificate, key;
    std::string self_signed;  // directory
};

struct instance_options {
    std::string name;
    std::string address;
    bool tls{false};
    tls_files files;      // empty: those that all instances share
    std::string region;   // as `x-ms-region` shows it
    std::string api_key;  // accepted as `api-key` and as bearer; empty: see `bearer`
    std::string bearer;   // a token that is accepted, or `any`, or `identity`: those that the identity part made
    std::vector<std::string> audiences{"https://cognitiveservices.azure.com"};  // of such tokens
    std::vector<deployment_options> deployments;
    duration job_time{milliseconds(200)};  // from the making of a batch, a run and their like to its end
    std::string encryption_key;            // of reasoning; instances with the same one open it; empty: the name
    std::vector<std::string> prompts;      // ids of prompts that `prompt.id` may name
    std::uint64_t objects{10000};          // how many things live here
    std::uint64_t object_bytes{256ULL * 1024 * 1024};
    duration object_life{hours(24 * 30)};
    const std::string& seal() const noexcept { return encryption_key.empty() ? name : encryption_key; }
};

struct options {
    std::string control{"127.0.0.1:9400"};
    tls_files tls;
    identity_options identity;
    std::uint64_t seed{1};
    std::uint64_t usage_entries{1'000'000};  // of the journal; older ones are dropped
    bool deterministic{false};               // ids and times of answers follow from the request alone
    std::vector<instance_options> instances;
    std::vector<fault_rule> faults;
};

// What the file says, or everything that is wrong with it, one problem a line.
result<options> read_options(const std::string& yaml, const std::string& file_name);

}  // namespace spillway::sim
