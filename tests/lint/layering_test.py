"""The lint must find each planted breach of the layers and stay silent on what is allowed."""

import pathlib
import tempfile
import unittest

import cpp_text
import layering as lint

CMAKE = """
# spillway_layer(secret LINK everything) in a comment declares nothing
spillway_layer(base)
spillway_layer(http        LINK base)
spillway_layer(config      LINK base PRIVATE_LINK yaml-cpp)
spillway_layer(core        LINK base http config)
spillway_layer(net         LINK base http OpenSSL::SSL)
spillway_layer(proxy       LINK core net)
spillway_layer(sim         LINK base http net)
spillway_program(spillway-sim src/main/sim.cpp sim)
"""


def breaches(path, text):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "CMakeLists.txt").write_text(CMAKE)
        allowed, programs = lint.layers_of(root)
        return [message for _, message in lint.breaches_of(pathlib.Path(path), text, allowed, programs)]


class finds(unittest.TestCase):
    def check(self, path, text, word):
        found = breaches(path, text)
        self.assertTrue(found, f"nothing found in {path}: {text}")
        self.assertIn(word, found[0])

    def test_core_that_knows_net(self):
        self.check("src/core/breaker.cpp", "#include <spillway/net/loop.hpp>\n", "'net'")

    def test_net_that_knows_core(self):
        self.check("include/spillway/net/loop.hpp", "#include <spillway/core/breaker.hpp>\n", "'core'")

    def test_sim_that_knows_proxy(self):
        self.check("src/sim/quota.cpp", '#include "spillway/proxy/relay.hpp"\n', "'proxy'")

    def test_main_that_knows_more_than_its_layer(self):
        self.check("src/main/sim.cpp", "#include <spillway/config/tree.hpp>\n", "'config'")

    def test_unit_test_that_knows_more_than_its_layer(self):
        self.check("tests/unit/http/url_test.cpp", "#include <spillway/core/router.hpp>\n", "'core'")

    def test_base_that_knows_anybody(self):
        self.check("src/base/text.cpp", "#  include <spillway/http/url.hpp>\n", "'http'")

    def test_layer_that_is_not_declared(self):
        self.check("src/extra/a.cpp", "int a;\n", "not declared")

    def test_tls_in_http(self):
        self.check("src/http/head.cpp", "#include <openssl/ssl.h>\n", "openssl")

    def test_asio_in_config(self):
        self.check("src/config/load.cpp", "#include <boost/asio/ip/address.hpp>\n", "boost/asio")

    def test_locks_threads_logs_and_files_in_core(self):
        for name in ("mutex", "thread", "fstream", "spdlog/spdlog.h", "unistd.h", "sys/socket.h"):
            self.check("src/core/pick.cpp", f"#include <{name}>\n", name)

    def test_clock_in_core(self):
        self.check("src/core/pick.cpp", "auto t = std::chrono::steady_clock::now();\n", "now")
        self.check("include/spillway/core/pick.hpp", "auto t = clock::now();\n", "now")

    def test_random_device_in_core(self):
        self.check("src/core/pick.cpp", "std::random_device seed;\n", "random_device")

    def test_private_header_of_another_layer(self):
        self.check("src/proxy/relay.cpp", '#include "../net/tls_session.hpp"\n', "leaves the layer")
        self.check("src/proxy/answer/relay.cpp", '#include "../../net/tls_session.hpp"\n', "leaves the layer")

    def test_long_file(self):
        self.check("src/core/long.cpp", "int a;\n" * (lint.LINE_LIMIT + 1), "split it")


class is_silent_about(unittest.TestCase):
    def check(self, path, text):
        self.assertEqual(breaches(path, text), [])

    def test_own_layer_and_those_below(self):
        self.check("src/core/a.cpp", "#include <spillway/core/a.hpp>\n#include <spillway/config/tree.hpp>\n")

    def test_layer_reached_through_another(self):
        self.check("src/proxy/a.cpp", "#include <spillway/http/url.hpp>\n#include <openssl/ssl.h>\n")

    def test_time_points_in_core(self):
        self.check("src/core/a.cpp", "#include <chrono>\nbool due(time_point now) { return later(now); }\n")

    def test_private_header_beside(self):
        self.check("src/net/a.cpp", '#include "tls_session.hpp"\n')

    def test_words_in_comments_and_literals(self):
        self.check("src/core/a.cpp", '// never std::mutex or clock::now()\nconst char* a = "random_device";\n')

    def test_threads_in_a_test_of_core(self):
        self.check("tests/unit/core/a_test.cpp", "#include <thread>\n")

    def test_longest_allowed_file(self):
        self.check("src/core/long.cpp", "int a;\n" * lint.LINE_LIMIT)


class the_real_tree(unittest.TestCase):
    def test_has_the_rules_that_the_design_rests_on(self):
        allowed, _ = lint.layers_of(cpp_text.ROOT)
        self.assertEqual(allowed["core"], {"core", "base", "http", "config"})
        self.assertEqual(allowed["net"], {"net", "base", "http"})
        self.assertEqual(allowed["http"], {"http", "base"})
        self.assertEqual(allowed["config"], {"config", "base", "http"})
        self.assertEqual(allowed["sim"], {"sim", "base", "http", "net"})


if __name__ == "__main__":
    unittest.main()
