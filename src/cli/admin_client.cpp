#include "admin_client.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <stdexcept>

#include <spillway/config/secret.hpp>
#include <spillway/http/endpoint_url.hpp>

namespace spillway::cli {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;

void add_admin_options(CLI::App& to, admin_place& at) {
    to.add_option("--admin", at.address, "its admin listener")->envname("SPILLWAY_ADMIN")->capture_default_str();
    to.add_option("--key-file", at.key_file, "file with an admin key");
}

std::pair<unsigned, std::string> ask_admin(const admin_place& at, const std::string& method,
                                           const std::string& path) {
    const auto where = http::parse_host_port(at.address, 9901);
    if (!where) throw std::runtime_error("--admin wants host:port");
    asio::io_context io;
    beast::tcp_stream stream(io);
    asio::ip::tcp::resolver resolver(io);
    beast::error_code ec;
    const auto found = resolver.resolve(where->first, std::to_string(where->second), ec);
    if (!ec) stream.connect(found, ec);
    if (ec) throw std::runtime_error("no gateway answers at " + at.address + ": " + ec.message());
    bhttp::request<bhttp::string_body> r(bhttp::string_to_verb(method), path, 11);
    r.set(bhttp::field::host, at.address);
    if (!at.key_file.empty()) {
        const auto key = config::resolve(config::secret_ref::file(at.key_file));
        if (!key) throw std::runtime_error(key.error().message);
        r.set("api-key", *key);
    }
    r.prepare_payload();
    bhttp::write(stream, r);
    beast::flat_buffer buffer;
    bhttp::response_parser<bhttp::string_body> parser;
    parser.body_limit(256 * 1024 * 1024);
    bhttp::read(stream, buffer, parser);
    return {parser.get().result_int(), parser.get().body()};
}

}  // namespace spillway::cli
