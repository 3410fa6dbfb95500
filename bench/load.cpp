// spillway-load: the benchmark's client. bench/README.md says what it measures and how.
#include <csignal>
#include <iostream>

#include "busy_poll.hpp"
#include "report.hpp"

int main(int argc, char** argv) {
    using namespace spillway;
    std::signal(SIGPIPE, SIG_IGN);
    const bench::load_options options = bench::read_options(argc, argv);
    if (options.busy_poll) bench::never_sleep();
    net::ssl_ctx_ptr tls;
    if (options.tls) {
        auto made = net::make_client_context(options.ca_file);
        if (!made) {
            std::cerr << "spillway-load: " << made.error().message << '\n';
            return 2;
        }
        tls = *made;
    }
    net::loop loop;
    bench::generator load(loop, options, tls);
    load.run(bench::print_stage);
    bench::print_result(options, load);
    return load.seen().failures.empty() ? 0 : 1;
}
