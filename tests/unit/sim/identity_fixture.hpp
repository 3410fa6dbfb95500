#pragma once

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "../../../src/sim/control.hpp"

namespace spillway::sim {

inline const std::string tenant = "72f988bf-0000-4000-8000-000000000001";
inline const std::string azure = "https://cognitiveservices.azure.com";

// A directory that ends with the test.
class identity_directory {
public:
    identity_directory() {
        char name[] = "/tmp/spillway-test-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~identity_directory() { std::filesystem::remove_all(path); }
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path + "/" + name) << text;
        return path + "/" + name;
    }
    std::string path;
};

class sim_identity : public ::testing::Test {
protected:
    sim_identity() : all(loop, settings()), ask(all, [] {}), at(*all.identity) {}

    static options settings() {
        options o;
        o.identity.address = "127.0.0.1:9441";
        o.identity.tls = true;
        o.identity.identity_header = "sim-header";
        o.identity.token_lifetime = minutes(30);
        o.identity.tenants = {tenant};
        o.identity.applications.push_back({tenant, "app", "app-object", "s3cret", {}, {}, {"Spillway.Use"}});
        o.identity.managed_identities = {{"mi-own", "mi-own-object", "", true},
                                         {"mi-b", "mi-b-object", "/subscriptions/1/b", false}};
        instance_options i;
        i.name = "a";
        i.api_key = "key";
        i.bearer = "identity";
        deployment_options d;
        d.name = d.model = "d";
        i.deployments = {d};
        o.instances = {i};
        return o;
    }

    static request asking(const std::string& method, const std::string& target, const header_list& headers = {},
                          const std::string& text = {}) {
        request r;
        r.method = method;
        r.set_target(target);
        r.headers = headers;
        r.body = text;
        return r;
    }
    answer get(const std::string& target, const header_list& headers = {}) {
        return at.handle(asking("GET", target, headers)).what;
    }
    answer post_form(const std::string& form, const std::string& of = tenant) {
        return at
            .handle(asking("POST", "/" + of + "/oauth2/v2.0/token",
                           {{"Content-Type", "application/x-www-form-urlencoded"}}, form))
            .what;
    }
    answer control_call(const std::string& method, const std::string& target, const std::string& text = {}) {
        return ask.handle(asking(method, target, {}, text));
    }
    // What the instance makes of a bearer token.
    answer use(const std::string& token, const char* header = "Authorization") {
        exchange x;
        x.asked = asking("GET", "/openai/v1/models", {{header, "Bearer " + token}});
        all.instances[0]->begin(x);
        return all.instances[0]->reply(x, clock::now());
    }
    std::string managed_token(const std::string& resource = azure) {
        return body(get("/metadata/identity/oauth2/token?api-version=2018-02-01&resource=" + resource,
                        {{"Metadata", "true"}}))["access_token"];
    }
    static json body(const answer& a) { return json::parse(a.pieces.at(0).bytes); }
    static std::string header(const answer& a, std::string_view name) {
        for (const auto& [n, value] : a.headers)
            if (n == name) return value;
        return {};
    }

    net::loop loop;
    simulation all;
    control ask;
    identity_provider& at;
};

}  // namespace spillway::sim
