#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "../../../src/sim/instance.hpp"

namespace spillway::sim::instance_test {

struct told {
    int status{0};
    json body;  // of an answer that is JSON
    std::string text;
    answer whole;

    std::string id() const { return string_or(body, "id", ""); }
    std::string code() const { return string_or(body["error"], "code", ""); }
};

// An instance without keys or quotas, with the deployments `chat`, `whisper`, `gpt-4o-transcribe`, `gpt-image-1` and
// `dall-e-3`; and a clock of its own.
class living_instance : public ::testing::Test {
protected:
    living_instance() : at(made("a")) {}

    static instance_options made(const std::string& name) {
        instance_options o;
        o.name = name;
        o.job_time = seconds(3);
        o.prompts = {"pmpt_1"};
        for (const char* model : {"chat", "whisper", "gpt-4o-transcribe", "gpt-image-1", "dall-e-3", "sora-2"}) {
            deployment_options d;
            d.name = d.model = model;
            d.first_token = d.per_token = duration::zero();
            o.deployments.push_back(d);
        }
        return o;
    }

    told ask(instance& where, const std::string& method, const std::string& target, const std::string& body,
             const header_list& headers = {}) {
        exchange x;
        x.asked.method = method;
        x.asked.set_target(target.starts_with("/") ? target : "/openai/v1/" + target);
        x.asked.body = body;
        x.asked.headers = headers;
        x.id = std::to_string(++asked);
        x.wall_seconds = 1'700'000'000;
        where.begin(x);
        told out;
        out.whole = where.reply(x, now);
        out.status = out.whole.status;
        for (const auto& p : out.whole.pieces) out.text += p.bytes;
        if (out.whole.content) out.text = out.whole.content->part(0, out.whole.content->size());
        out.body = json::parse(out.text, nullptr, false);
        return out;
    }
    told get(const std::string& target) { return ask(at, "GET", target, ""); }
    told remove(const std::string& target) { return ask(at, "DELETE", target, ""); }
    told post(const std::string& target, const json& body = json::object()) {
        return ask(at, "POST", target, to_text(body));
    }
    // Files are the fields whose value begins with '@'.
    told form(const std::string& target, const std::vector<std::pair<std::string, std::string>>& fields) {
        std::string body;
        for (const auto& [name, value] : fields) {
            const bool file = value.starts_with('@');
            body += "--b0\r\nContent-Disposition: form-data; name=\"" + name + "\"";
            body += (file ? "; filename=\"f.bin\"\r\n\r\n" : "\r\n\r\n") + value.substr(file ? 1 : 0) + "\r\n";
        }
        return ask(at, "POST", target, body + "--b0--\r\n", {{"Content-Type", "multipart/form-data; boundary=b0"}});
    }
    std::string file(const std::string& purpose, const std::string& content) {
        return form("files", {{"purpose", purpose}, {"file", "@" + content}}).id();
    }

    // The data of the events of a stream.
    static std::vector<json> events(const told& t) {
        std::vector<json> out;
        for (const auto& p : t.whole.pieces)
            if (const auto from = p.bytes.find("data: "); from != std::string::npos)
                out.push_back(json::parse(p.bytes.substr(from + 6), nullptr, false));
        return out;
    }
    static std::vector<std::string> ids(const told& list) {
        std::vector<std::string> out;
        for (const auto& one : list.body["data"]) out.push_back(string_or(one, "id", ""));
        return out;
    }
    // What the instance plans comes true.
    void later() { now += seconds(10); }

    instance at;
    time_point now{hours(1000)};
    int asked{0};
};

}  // namespace spillway::sim::instance_test
