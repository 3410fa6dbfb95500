"""Finds temporaries that GCC 12 destroys twice because they live inside a co_await expression, and its other trap there.

Inside one full-expression with co_await, GCC 12 runs the destructor twice of
  - a lambda that captures by value, and
  - an aggregate made with braces that has a member with a destructor, T{...} or .x = ..., on either side of the
    co_await and as the awaited object itself.
It also mishandles a co_await in a branch of a conditional expression, a ? co_await x : co_await y, where references
are among the operands; an `if` with two statements is safe. No such branch is worth a look at its operands, so none is
let through.

Named variables, classes with constructors, by-reference captures and trivial aggregates are safe.
Where a finding is known to be harmless the line says so: // await-ok: reason

Usage: await_temporaries.py [ROOT]
"""

import pathlib
import re
import sys

import cpp_text

FOLDERS = ("src", "include", "tests", "bench")
REMEDY = ("name it on the line above", "write an `if` with two statements")
_OPEN, _CLOSE = "([{", ")]}"
_AWAIT = re.compile(r"\bco_await\b")
_BRACED = re.compile(r"([A-Za-z_][\w:]*)\s*(<[^;{}()]*>)?\s*\{\s*([^\s}])")
_LAMBDA = re.compile(r"\[([^\[\]]*)\]\s*(?:\([^()]*(?:\([^()]*\)[^()]*)*\)\s*)?(?:mutable\b|noexcept\b|->|\{)")
_DESIGNATED = re.compile(r"[{,]\s*\.\w+\s*=")
# What stands before the name of a variable that is being declared: a type and nothing else.
_DECLARATION = re.compile(
    r"\s*(?!(?:co_return|co_await|co_yield|return|throw|else)\b)(?:(?:const|static|constexpr)\s+)*[\w:]+(?:<[^;{}]*>)?[&*\s]*\s$"
)
_BLOCK_HEAD = re.compile(r"(\)|;|\{|\}|:|\b(?:else|do|try|const|noexcept|mutable|override|final))$")
_STRUCT = re.compile(r"\b(struct|class|enum(?:\s+class)?)\s+(\w+)[^;{}()=<>]*\{")
# Types that are not of this project and need no destructor, or have a constructor and so are safe.
_SAFE = re.compile(r"^(std::(?!array\b).*|span|string_view|(?:micro|milli|nano)?seconds|minutes|hours|duration|time_point"
                   r"|bool|char|int|unsigned|long|float|double|size_t|u?int\d+_t|co_await|return)$")
_TRIVIAL = re.compile(
    r"^(?:(?:static|mutable|const|constexpr|volatile|unsigned|signed)\s+)*"
    r"(?:std::)?(?:bool|char|short|int|long|float|double|size_t|s?size_t|u?int\d+_t|byte|string_view|span<.*>"
    r"|chrono::\w+|duration|time_point|(?:micro|milli|nano)?seconds|atomic<.*>|coroutine_handle<.*>)$"
)


def matching(text, at):
    """The place of the bracket that closes the one at `at`, or the end of the text."""
    depth = 0
    for i in range(at, len(text)):
        if text[i] in _OPEN:
            depth += 1
        elif text[i] in _CLOSE:
            depth -= 1
            if depth == 0:
                return i
    return len(text)


def opens_block(before):
    """Whether a { after this text opens a block of statements (and not a braced initialiser)."""
    before = before.rstrip()
    if not before or _BLOCK_HEAD.search(before):
        return True
    return re.search(r"->\s*[\w:]+(?:<[^;{}]*>)?[&*\s]*$", before) is not None


def full_expression(text, at):
    """Start and end of the statement around `at`, as far as destructors of temporaries are concerned."""
    start, depth = at, 0
    while start > 0:
        c = text[start - 1]
        if c in _CLOSE:
            # A closed block ends the statement before this one; any other bracket pair is part of ours.
            if c == "}" and depth == 0 and re.match(r"\s*[\w*&(+\-!~:\[]", text[start:]):
                break
            depth += 1
        elif c in _OPEN:
            if depth > 0:
                depth -= 1
            elif c == "{" and opens_block(text[: start - 1]):
                break
        elif c == ";" and depth == 0:
            break
        start -= 1
    end, depth = at, 0
    while end < len(text):
        c = text[end]
        if c in _OPEN:
            depth += 1
        elif c in _CLOSE:
            depth -= 1
        elif c == ";" and depth <= 0:
            break
        # `if (co_await f()) {` and a range-for: the block behind the head is not part of the expression.
        if c == "{" and depth == 1 and text[at:end].count(")") > text[at:end].count("(") and opens_block(text[:end]):
            break
        end += 1
    return start, end


def nested_blocks_removed(text):
    """The expression without the bodies of lambdas in it: those are full-expressions of their own."""
    out, i = [], 0
    while i < len(text):
        if text[i] == "{" and opens_block(text[:i]) and text[:i].strip():
            end = matching(text, i)
            out.append("{" + re.sub(r"[^\n]", " ", text[i + 1:end]) + "}")
            i = end + 1
        else:
            out.append(text[i])
            i += 1
    return "".join(out)


def types_of(root):
    """Every struct of the project: name -> None when it is safe, else the member that makes it unsafe."""
    bodies = {}
    for path in cpp_text.sources(root, *FOLDERS):
        text = cpp_text.blank(path.read_text(encoding="utf-8"))
        for match in _STRUCT.finditer(text):
            body = text[match.end(): matching(text, match.end() - 1)]
            bodies.setdefault(match.group(2), []).append((match.group(1), match.group(2), body))
    verdicts = {}

    def unsafe(name, open_names=()):
        if name in verdicts:
            return verdicts[name]
        verdict = None
        for kind, struct, body in bodies[name]:
            if kind.startswith("enum") or kind == "class" or re.search(rf"(?<![~\w]){struct}\s*\(", body):
                continue
            verdict = verdict or next((m for m in members(body) if needs_destructor(m, open_names + (name,))), None)
        verdicts[name] = verdict
        return verdict

    def needs_destructor(member, open_names):
        kind = member.rsplit(None, 1)[0].strip()
        if kind.endswith(("*", "&")) or "*" in member or "&" in member or _TRIVIAL.match(kind):
            return False
        last = re.split(r"::", re.sub(r"<.*>", "", kind))[-1].split()[-1:]
        if last and last[0] in bodies:
            return last[0] not in open_names and unsafe(last[0], open_names) is not None
        wrapped = re.match(r"(?:std::)?(?:optional|array)<([^<>,]*)", kind)
        return not (wrapped and not needs_destructor(wrapped.group(1) + " x", open_names))

    for name in bodies:
        unsafe(name)
    return verdicts


def in_branch(code, start, at):
    """Whether what stands at `at` belongs to a branch of a conditional expression that begins behind `start`."""
    depth = 0
    for i in range(at - 1, start - 1, -1):
        c = code[i]
        if c in _CLOSE:
            depth += 1
        elif c in _OPEN:
            depth = max(0, depth - 1)  # behind 0: out of the brackets that `at` stands in
        elif depth == 0 and c == "?":
            return True
        elif depth == 0 and c == ",":
            # Another argument, so the brackets around both are the next that counts.
            opened = enclosing(code, start, i)
            return opened >= start and in_branch(code, start, opened)
    return False


def enclosing(code, start, at):
    """The place of the bracket that is open at `at`, or -1."""
    depth = 0
    for i in range(at - 1, start - 1, -1):
        if code[i] in _CLOSE:
            depth += 1
        elif code[i] in _OPEN:
            if depth == 0:
                return i
            depth -= 1
    return -1


def members(body):
    """The data members of a struct's body, as `type name`."""
    flat = re.sub(r"\{[^{}]*\}", ";", re.sub(r"\{[^{}]*\}", ";", body))
    for part in flat.split(";"):
        part = re.sub(r"=.*", "", part, flags=re.DOTALL)
        part = re.sub(r"\b(public|private|protected)\s*:", " ", part).strip()
        if part and "(" not in part and not re.match(r"(using|friend|static|typedef|enum|struct|class|template)\b", part):
            if len(part.split()) >= 2:
                yield " ".join(part.split())


def unsafe_type(name, types):
    if _SAFE.match(name):
        return None
    last = name.split("::")[-1]
    return types[last] if last in types else "a type that this check does not know"


def findings_in(text, types):
    """Yields (line, message) for every trap in one file's text."""
    code, lines, told = cpp_text.blank(text), text.splitlines(), set()
    for await_ in _AWAIT.finditer(code):
        start, end = full_expression(code, await_.start())
        expression = nested_blocks_removed(code[start:end])
        hits = []
        if in_branch(code, start, await_.start()):
            hits.append((await_.start() - start, "co_await in a branch of a conditional"))
        for m in _LAMBDA.finditer(expression):
            before = expression[: m.start()].rstrip()
            if before and (before[-1].isalnum() or before[-1] in "_)]>") and not before.endswith(("return", "co_await")):
                continue
            values = [c.strip() for c in m.group(1).split(",")]
            if any(c and c != "this" and not c.startswith("&") for c in values):
                hits.append((m.start(), f"lambda captures by value: [{m.group(1).strip()}]"))
        for m in _BRACED.finditer(expression):
            why = unsafe_type(m.group(1), types)
            if why and not _DECLARATION.match(expression[: m.start(1)]):
                hits.append((m.start(), f"temporary aggregate {m.group(1)}{{...}} ({why})"))
        for m in _DESIGNATED.finditer(expression):
            if m.group().startswith("{") and not re.search(r"[\w>]\s*$", expression[: m.start()]):
                hits.append((m.start(), "temporary aggregate {.member = ...}"))
        for at, message in hits:
            line = cpp_text.line_of(code, start + at)
            if (line, message) not in told and "await-ok:" not in lines[line - 1]:
                told.add((line, message))
                yield line, message


def main(argv):
    root = pathlib.Path(argv[1]).resolve() if len(argv) > 1 else cpp_text.ROOT
    types, bad, files = types_of(root), 0, cpp_text.sources(root, *FOLDERS)
    for path in files:
        for line, message in findings_in(path.read_text(encoding="utf-8"), types):
            print(f"{path.relative_to(root)}:{line}: inside a co_await expression: {message}; {REMEDY[message.startswith('co_await')]}")
            bad += 1
    print(f"await_temporaries: {len(files)} files, {bad} findings")
    return 1 if bad or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
