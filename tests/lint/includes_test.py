"""The lint must find each planted circle and each header that should be private, and stay silent on honest includes."""

import pathlib
import unittest

import exceptions
import includes as lint


def graph_of(files):
    texts = {pathlib.PurePosixPath(path): text for path, text in files.items()}
    return {path: set(lint.included_by(path, text, texts)) for path, text in texts.items()}


def circles(files, excused=""):
    told = exceptions.exceptions(excused, "circle")
    return [*lint.circles_in(graph_of(files), told), *told.needless()]


def private(files, excused=""):
    told = exceptions.exceptions(excused, "header")
    return [*lint.private_headers(graph_of(files), told), *told.needless()]


AB = {
    "include/spillway/net/a.hpp": "#include <spillway/net/b.hpp>\n",
    "include/spillway/net/b.hpp": "",
    "src/net/b.cpp": "#include <spillway/net/a.hpp>\n",
}


class circle(unittest.TestCase):
    def test_of_two_headers(self):
        self.assertEqual(len(circles({"src/net/a.hpp": '#include "b.hpp"\n', "src/net/b.hpp": '#include "a.hpp"\n'})), 1)

    def test_through_the_source_of_a_header(self):
        self.assertIn("a, b", circles(AB)[0])

    def test_of_three(self):
        self.assertEqual(len(circles({f"src/net/{x}.hpp": f'#include "{y}.hpp"\n' for x, y in ("ab", "bc", "ca")})), 1)

    def test_through_folders(self):
        files = {"src/net/in/a.hpp": '#include "../out/b.hpp"\n', "src/net/out/b.cpp": '#include "../in/a.hpp"\n',
                 "src/net/out/b.hpp": ""}
        self.assertEqual(len(circles(files)), 1)

    def test_is_none_in_a_tree_and_in_a_diamond(self):
        files = {"src/net/a.hpp": '#include "b.hpp"\n#include "c.hpp"\n', "src/net/b.hpp": '#include "d.hpp"\n',
                 "src/net/c.hpp": '#include "d.hpp"\n', "src/net/d.hpp": "", "src/net/d.cpp": '#include "d.hpp"\n'}
        self.assertEqual(circles(files), [])

    def test_is_none_between_files_of_one_name_in_two_folders(self):
        files = {"src/net/in/a.hpp": '#include "../b.hpp"\n', "src/net/out/a.hpp": "", "src/net/b.hpp": '#include "out/a.hpp"\n'}
        self.assertEqual(circles(files), [])

    def test_is_none_through_a_test(self):
        files = {"include/spillway/net/a.hpp": "", "tests/unit/net/a.hpp": "#include <spillway/net/a.hpp>\n"}
        self.assertEqual(circles(files), [])

    def test_is_excused_by_its_rooms_or_more(self):
        self.assertEqual(circles(AB, "circle net a b"), [])

    def test_excuse_for_a_room_that_is_in_none_is_told(self):
        self.assertIn("not needed", circles(AB, "circle net a b c")[0])

    def test_excuse_of_another_layer_does_not_count(self):
        self.assertEqual(len(circles(AB, "circle core a b")), 2)


class private_header(unittest.TestCase):
    OWN = {"include/spillway/net/a.hpp": "", "src/net/a.cpp": "#include <spillway/net/a.hpp>\n",
           "tests/unit/net/a_test.cpp": "#include <spillway/net/a.hpp>\n"}

    def test_that_only_its_layer_and_its_tests_use(self):
        self.assertIn("move it to src/net", private(self.OWN)[0])

    def test_is_public_for_another_layer_a_program_and_the_benchmark(self):
        for user in ("src/proxy/b.cpp", "include/spillway/proxy/b.hpp", "src/main/b.cpp", "bench/b.cpp",
                     "tests/fuzz/b.cpp", "tests/unit/proxy/b_test.cpp"):
            told = private({**self.OWN, user: "#include <spillway/net/a.hpp>\n"})
            self.assertFalse([m for m in told if m.startswith("include/spillway/net")], user)

    def test_is_public_when_a_public_header_needs_it(self):
        files = {**self.OWN, "include/spillway/net/c.hpp": "#include <spillway/net/a.hpp>\n",
                 "src/proxy/b.cpp": "#include <spillway/net/c.hpp>\n"}
        self.assertEqual(private(files), [])

    def test_is_excused(self):
        self.assertEqual(private(self.OWN, "header net/a.hpp"), [])

    def test_excuse_that_nothing_needs_is_told(self):
        self.assertIn("not needed", private({"src/net/a.hpp": ""}, "header net/a.hpp")[0])


if __name__ == "__main__":
    unittest.main()
