"""The lint must find each planted trap and stay silent on the safe forms of the same thing."""

import pathlib
import tempfile
import unittest

import await_temporaries as lint

TYPES = """
struct options { std::string name; int tries{3}; };
struct outer { options inner; };
struct point { int x; int y; };
struct view { const char* data; std::size_t size; std::span<const char> rest; };
struct built { built(int n); std::string text; };
enum class mode { fast, slow };
"""


def findings(body):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "src").mkdir()
        (root / "src" / "types.hpp").write_text(TYPES)
        code = "task<int> run(int a) {\n" + body + "\n}\n"
        return [message for _, message in lint.findings_in(code, lint.types_of(root))]


class finds(unittest.TestCase):
    def check(self, body, word):
        found = findings(body)
        self.assertTrue(found, f"nothing found in: {body}")
        self.assertIn(word, found[0])

    def test_aggregate_as_argument(self):
        self.check('co_await send(options{"a", 1});', "options")

    def test_aggregate_with_a_namespace(self):
        self.check('co_return co_await send(net::options{"a", 1});', "options")

    def test_aggregate_whose_member_is_one(self):
        self.check("co_await send(outer{make()});", "outer")

    def test_aggregate_left_of_the_await(self):
        self.check('take(options{"a", 1}, co_await size());', "options")

    def test_aggregate_as_the_awaited_object(self):
        self.check('co_await options{"a", 1};', "options")

    def test_designated_members(self):
        self.check('co_await send({.name = "a"});', ".member")

    def test_array_of_strings(self):
        self.check("co_await send(std::array<std::string, 1>{name});", "array")

    def test_unknown_type(self):
        self.check("co_await send(mystery{1});", "mystery")

    def test_lambda_by_value(self):
        self.check("auto r = co_await spawn([text] { use(text); });", "lambda")

    def test_lambda_with_an_initialised_capture(self):
        self.check("co_await spawn([t = std::move(text)]() mutable { use(t); });", "lambda")

    def test_lambda_that_captures_everything(self):
        self.check("co_await spawn([=](int n) -> int { return n; });", "lambda")

    def test_trap_in_a_condition(self):
        self.check("if (co_await send(options{name, 1})) { other(); }", "options")

    def test_trap_inside_a_lambda_that_is_a_coroutine(self):
        self.check("auto job = [&]() -> task<> { co_await send(options{name, 1}); };", "options")


    def test_both_branches_of_a_conditional(self):
        self.check("const int n = fast ? co_await one() : co_await two();", "branch")

    def test_first_branch_of_a_conditional(self):
        self.check("const int n = fast ? co_await one() : 2;", "branch")

    def test_second_branch_of_a_conditional_on_another_line(self):
        self.check("const int n = fast\n    ? 1\n    : co_await two();", "branch")

    def test_conditional_around_a_call(self):
        self.check("use(fast ? of(1, co_await one()) : two());", "branch")

    def test_conditional_in_brackets(self):
        self.check("co_return 1 + (fast ? (co_await one()) : 2);", "branch")

    def test_conditional_of_the_awaited_object_names_the_line(self):
        code = "task<int> run() {\n    f();\n    g(a ? b : co_await c());\n}\n"
        self.assertEqual([line for line, _ in lint.findings_in(code, {})], [3])


class is_silent_about(unittest.TestCase):
    def check(self, body):
        self.assertEqual(findings(body), [])

    def test_named_aggregate(self):
        self.check('options o{"a", 1};\nco_await send(std::move(o));')

    def test_named_lambda(self):
        self.check("auto job = [text] { use(text); };\nco_await spawn(std::move(job));")

    def test_named_coroutine_lambda_that_captures_by_value(self):
        self.check("auto job = [text]() -> task<> { co_await send(text); };")

    def test_lambda_by_reference(self):
        self.check("co_await spawn([&text, this] { use(text); });")

    def test_trivial_aggregate(self):
        self.check("co_await send(point{1, 2}, view{data, size}, mode{1});")

    def test_class_with_a_constructor(self):
        self.check("co_await send(built{1}, std::string{name});")

    def test_pointer_and_size(self):
        self.check("const io_result w = co_await io.write_all({data, size}, now());")

    def test_declaration_of_the_result(self):
        self.check("const options got{co_await name(), 1};")

    def test_loop_around(self):
        self.check("for (int i{0}; i < 3; ++i) { auto o = options{name, i}; co_await send(o); }")

    def test_conditional_whose_condition_is_awaited(self):
        self.check("const int n = co_await ready() ? 1 : 2;")

    def test_conditional_that_chooses_what_is_awaited(self):
        self.check("const int n = co_await (fast ? one() : two());")

    def test_conditional_argument_of_the_awaited_call(self):
        self.check("const int n = co_await send(fast ? 1 : 2, last);")

    def test_conditional_beside_the_await(self):
        self.check("use(fast ? 1 : 2, co_await one());\nuse((fast ? 1 : 2) + co_await one());")

    def test_conditional_in_the_statement_before(self):
        self.check("const int n = fast ? 1 : 2;\nco_await send(n);\nif (n > 0 ? a : b) co_await send(n);")

    def test_index(self):
        self.check("table[a] = co_await send(list[a], rows[i + 1]);")

    def test_comment_and_literal(self):
        self.check('co_await send("options{a, b}");  // not options{a, b} nor [x] { }')

    def test_line_that_gives_its_reason(self):
        self.check("co_await send(mystery{1});  // await-ok: holds two numbers")

    def test_statements_before_and_after(self):
        self.check('auto o = options{"a", 1};\nco_await send();\nauto p = options{"b", 1};')


if __name__ == "__main__":
    unittest.main()
