"""The lint must find each function and class that is too large, and count what is in them as a reader does."""

import pathlib
import unittest

import cpp_text
import exceptions
import sizes as lint

LINES = "    step();\n" * lint.FUNCTION_LIMIT


def sizes_of(text):
    code = lint.without_directives(cpp_text.blank(text))
    return {(kind, name): size for kind, name, _, size in lint.of_scope(code, 0, len(code))}


def findings(text, excused=""):
    return [m for _, m in lint.findings_in(pathlib.Path("src/net/a.cpp"), text, exceptions.exceptions(excused, "function"))]


class counts_lines_of(unittest.TestCase):
    def check(self, text, name, lines):
        self.assertEqual(sizes_of(text).get(("function", name)), lines, sizes_of(text))

    def test_free_function(self):
        self.check("namespace a {\nint f(int x) {\n    return x;\n}\n}\n", "f", 3)

    def test_member_outside_of_its_class(self):
        self.check("net::task<end> exchange::pump(int a,\n    int b) noexcept {\n}\n", "exchange::pump", 3)

    def test_member_inside_of_its_class(self):
        self.check("class a final : public b {\npublic:\n    int f() const {\n        return 1;\n    }\n};\n", "a::f", 3)

    def test_constructor_with_a_list_of_members(self):
        self.check("a::a(int x) : b_{x}, c_(x), d_{} {\n    go();\n}\n", "a::a", 3)

    def test_destructor(self):
        self.check("a::~a() {\n}\n", "a::~a", 2)

    def test_default_argument_with_braces(self):
        self.check("void f(options o = {}) {\n}\n", "f", 2)

    def test_template_and_trailing_type(self):
        self.check("template <class T, class = std::enable_if_t<(sizeof(T) > 1)>>\nauto f(T x) -> std::vector<T> {\n}\n", "f", 3)

    def test_operators(self):
        self.check("bool operator<(a x, a y) noexcept {\n}\n", "operator<", 2)
        self.check("a& a::operator=(const a& o) {\n}\n", "a::operator=", 2)

    def test_function_whose_result_has_parentheses(self):
        self.check("std::function<void(int)> f(int x) {\n}\n", "f", 2)

    def test_function_behind_an_initialised_constant(self):
        self.check("constexpr std::array table{a(1), b(2)};\nconst auto x = [] { return 1; }();\nint f() {\n}\n", "f", 2)

    def test_braces_in_literals_and_macros(self):
        self.check('#define M(x) \\\n    if (x) {\nint f() {\n    return "}{"[0];\n}\n', "f", 3)


class counts_members_of(unittest.TestCase):
    def check(self, body, members):
        self.assertEqual(sizes_of("class a {\n" + body + "\n};\n")["members", "a"], members, body)

    def test_plain_and_initialised_ones(self):
        self.check("public:\n    int x;\nprivate:\n    std::string y_{f(1)};\n    long z = g(2);", 3)

    def test_several_in_one_declaration(self):
        self.check("std::map<int, long> a, b{1, 2}; int *c, d[3];", 4)

    def test_functions_and_pointers_to_them(self):
        self.check("std::function<void(int)> f_; void (*g_)(int); bool (a::*h_)() const;", 3)

    def test_aligned_and_attributed_ones(self):
        self.check("alignas(64) std::atomic<int> x; [[no_unique_address]] empty y;", 2)

    def test_anonymous_struct_with_a_name(self):
        self.check("struct {\n    int a;\n} x;", 1)

    def test_no_functions(self):
        self.check("a(); ~a() = default; int f() const { return 1; } a& operator=(a&&) = delete; explicit operator bool() const;", 0)

    def test_no_types_friends_nor_statics(self):
        self.check("using b = int; struct c; enum class d { e, f }; struct g { int h; }; friend class i; static int j;"
                   " static constexpr int k{1}; template <class T> T l(T);", 0)

    def test_inline_constructor_with_a_list_of_members(self):
        self.check("explicit a(int x) : b_{x}, c_{x} { go(); }\n    int b_, c_;", 2)


class finds(unittest.TestCase):
    def test_long_function(self):
        self.assertEqual(findings(f"void f() {{\n{LINES[24:]}}}\n"), [])
        self.assertEqual(len(findings(f"void f() {{\n{LINES}}}\n")), 1)

    def test_large_class(self):
        self.assertEqual(findings("struct a {" + " int x;" * lint.MEMBER_LIMIT + "};"), [])
        self.assertEqual(len(findings("struct a {" + " int x;" * (lint.MEMBER_LIMIT + 1) + "};")), 1)

    def test_nothing_where_an_exception_stands(self):
        self.assertEqual(findings(f"void b::f() {{\n{LINES}}}\n", "function net b::f  # since 0.1"), [])

    def test_exception_of_another_layer_does_not_count(self):
        self.assertEqual(len(findings(f"void f() {{\n{LINES}}}\n", "function core f")), 1)


class exceptions_that_nothing_needs(unittest.TestCase):
    def test_are_told(self):
        excused = exceptions.exceptions("function net f\nfunction net g\nmembers net a\n", "function")
        self.assertTrue(excused.excuse("function", "net", "f"))
        self.assertEqual(len(list(excused.needless())), 1)
        self.assertIn("function net g", next(excused.needless()))


if __name__ == "__main__":
    unittest.main()
