#include <spillway/sim/simulator.hpp>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include "certificates.hpp"
#include "control.hpp"
#include "endpoint.hpp"
#include "identity_server.hpp"
#include "options.hpp"

namespace spillway::sim {
namespace {

constexpr int bad_settings = 1, cannot_listen = 2;

struct command_line {
    std::string config, directory;
    double lifetime{0};
};

int fail(const std::string& message, int code) {
    std::cerr << "spillway-sim: " << message << '\n';
    return code;
}

result<net::ssl_ctx_ptr> context_for(const tls_files& files) {
    net::server_tls from{files.certificate, files.key};
    if (!files.self_signed.empty()) {
        const auto made = ensure_certificates(files.self_signed);
        if (!made) return made.error();
        from.certificate = made->certificate;
        from.key = made->key;
    }
    return net::make_server_context(from);
}

net::task<> end_after(net::loop& l, double length) {
    const auto life = std::chrono::duration_cast<duration>(std::chrono::duration<double>(length));
    co_await net::sleep_until(l, clock::now() + life);
    l.stop();
}

// The addresses of the identity part.
class identity_listeners {
public:
    // The exit code of a failure, told already; 0 when all is well.
    int open(simulation& all, const options& o) {
        if (!all.identity) return 0;
        net::ssl_ctx_ptr tls;
        if (o.identity.tls) {
            auto made = context_for(o.tls);
            if (!made) return fail(made.error().message, bad_settings);
            tls = *made;
        }
        authority_ = std::make_unique<identity_server>(all, *all.identity, tls);
        const auto bound = authority_->open(o.identity.address);
        if (!bound) return fail(bound.error().message, cannot_listen);
        all.identity->set_bound(bound->to_string());
        told_ = "identity " + all.identity->bound_url() + "\n";
        if (o.identity.managed_identity_address.empty()) return 0;
        managed_ = std::make_unique<identity_server>(all, *all.identity, nullptr);
        const auto second = managed_->open(o.identity.managed_identity_address);
        if (!second) return fail(second.error().message, cannot_listen);
        told_ += "managed-identity http://" + second->to_string() + "\n";
        return 0;
    }
    // One line an address.
    const std::string& told() const noexcept { return told_; }

private:
    std::unique_ptr<identity_server> authority_, managed_;
    std::string told_;
};

int serve(const options& o, double lifetime) {
    net::loop loop;
    simulation all(loop, o);
    std::vector<std::unique_ptr<endpoint>> endpoints;
    control asked(all, [&endpoints] {
        for (auto& e : endpoints) e->faults_changed();
    });
    control_server control_endpoint(all, asked);
    identity_listeners identity;
    if (const int code = identity.open(all, o); code != 0) return code;
    for (auto& i : all.instances) {
        net::ssl_ctx_ptr tls;
        if (i->options().tls) {
            const tls_files& own = i->options().files;
            auto made = context_for(own.certificate.empty() && own.self_signed.empty() ? o.tls : own);
            if (!made) return fail(made.error().message, bad_settings);
            tls = *made;
        }
        endpoints.push_back(std::make_unique<endpoint>(all, *i, tls));
        if (const auto opened = endpoints.back()->open(); !opened) return fail(opened.error().message, cannot_listen);
    }
    const auto control_address = control_endpoint.open(o.control);
    if (!control_address) return fail(control_address.error().message, cannot_listen);

    std::cout << "control http://" << control_address->to_string() << '\n';
    for (const auto& i : all.instances)
        std::cout << i->options().name << (i->options().tls ? " https://" : " http://") << i->bound_address << '\n';
    std::cout << identity.told() << "ready" << std::endl;

    boost::asio::signal_set ends(loop.context(), SIGINT, SIGTERM);
    ends.async_wait([&loop](const boost::system::error_code&, int) { loop.stop(); });
    if (lifetime > 0) net::spawn(end_after(loop, lifetime), [](const std::exception_ptr&) {});
    loop.run();
    // Open connections are coroutines that wait on the loop; the process ends with them.
    std::_Exit(0);
}

int run(const command_line& c) {
    std::ifstream in(c.config);
    if (!in) return fail("cannot read " + c.config, bad_settings);
    std::ostringstream text;
    text << in.rdbuf();
    const auto o = read_options(text.str(), c.config);
    if (!o) return fail(o.error().message, bad_settings);
    return serve(*o, c.lifetime);
}

int make_certificates(const command_line& c) {
    const auto made = ensure_certificates(c.directory);
    if (!made) return fail(made.error().message, bad_settings);
    std::cout << "ca " << made->ca << "\ncertificate " << made->certificate << "\nkey " << made->key << '\n';
    return 0;
}

}  // namespace

int run_simulator(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    command_line c;
    CLI::App app{"Answers as Azure OpenAI instances do, with quotas and with every fault that you ask for."};
    app.set_version_flag("--version", SPILLWAY_VERSION);
    app.require_subcommand(1);
    auto* serve_command = app.add_subcommand("run", "Listen as the instances of a file until stopped");
    serve_command->add_option("--config", c.config, "YAML file, see docs/simulator.md")->required();
    serve_command->add_option("--lifetime", c.lifetime, "Seconds after which it ends by itself");
    auto* certificates = app.add_subcommand("certificates", "Make an authority and a certificate for localhost");
    certificates->add_option("directory", c.directory, "Where ca.pem, server.pem and server.key go")->required();
    CLI11_PARSE(app, argc, argv);
    return *certificates ? make_certificates(c) : run(c);
}

}  // namespace spillway::sim
