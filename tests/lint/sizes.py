"""Checks that no function has more than 60 lines and no class more than 25 data members.

The lines of a function are those from its name to its closing brace. Static members are none: they are no state of an
object. Exceptions stand in exceptions.txt: `function LAYER NAME`, `members LAYER CLASS`.

Usage: sizes.py [ROOT]
"""

import pathlib
import re
import sys

import cpp_text
import exceptions

FOLDERS = ("include", "src", "bench")
FUNCTION_LIMIT, MEMBER_LIMIT = 60, 25
_CLASS = re.compile(r"\b(?:class|struct|union)\b\s*(?:\[\[.*?\]\]\s*|alignas\s*\([^()]*\)\s*)*([\w:]*)")
_NO_MEMBER = re.compile(r"(?:using|typedef|friend|static|static_assert|template|enum|extern|namespace)\b")
_LABEL = re.compile(r"\s*(?:public|private|protected)\s*:(?!:)")
_KEPT, _GIVEN_BACK = str.maketrans("<>=-", "\1\2\3\4"), str.maketrans("\1\2\3\4", "<>=-")


def closing(text, at):
    """The place of the brace or parenthesis that closes the one at `at`, or the end of the text."""
    depth = 0
    for match in re.compile(r"[(){}\[\]]").finditer(text, at):
        depth += 1 if match.group() in "({[" else -1
        if depth == 0:
            return match.start()
    return len(text)


def without_template(head):
    """The head of a declaration without a `template <...>` in front of it, and without attributes."""
    head = re.sub(r"\[\[.*?\]\]|\balignas\s*\((?:[^()]|\([^()]*\))*\)", " ", head, flags=re.DOTALL).strip()
    while (start := re.match(r"template\s*<", head)) is not None:
        depth, at = 1, start.end()
        while at < len(head) and depth:
            depth += {"<": 1, ">": -1}.get(head[at], 0)
            at += 1
        head = head[at:].strip()
    return head


def without_arguments(head):
    """The head without template arguments, whose parentheses are those of types."""
    before = None
    head = re.sub(r"\boperator\s*[<>=\-]+", lambda m: m.group().translate(_KEPT), head)
    head = re.sub(r"->|<=|>=|<<", "  ", head)
    while before != head:
        before, head = head, re.sub(r"<[^<>;{}]*>", " ", head)
    return head.translate(_GIVEN_BACK)


def name_of_function(head):
    """The name of the function that this head begins, or None when it begins no function."""
    head = without_template(head)
    if re.match(r"(?:namespace|using|typedef|enum|extern)\b", head):
        return None
    plain = without_arguments(head)
    opening = plain.find("(")
    assigned = re.search(r"(?<![=!<>])=(?!=)", plain)
    is_operator = re.search(r"\boperator\b", plain) is not None
    brace = plain.find("{")
    if opening < 0 or 0 <= brace < opening or (assigned and assigned.start() < opening and not is_operator):
        return None
    name = re.search(r"([\w:]*\boperator\b.*|[~\w:]+)\s*$", plain[:opening])
    return re.sub(r"\s+", "", name.group(1)) if name else None


def is_initialiser_of_member(head):
    """Whether the brace behind this head of a function belongs to the list of members that a constructor begins."""
    plain = without_arguments(without_template(head))
    end = closing(plain, plain.find("("))
    return re.match(r"\)\s*(?:noexcept\s*)?:(?!:)", plain[end:]) is not None and re.search(r"\w\s*$", plain) is not None


def declarations(text, begin, end):
    """Yields (begin of head, head, begin of body, end of body) for each declaration between two places of a scope.

    The body is a pair of braces, or empty (begin == end) for a declaration that ends with a semicolon.
    """
    at = start = begin
    while at < end:
        label = _LABEL.match(text, start) if text[start:at].strip() == "" else None
        if label:
            at = start = label.end()
            continue
        c = text[at]
        if c in "([":
            at = closing(text, at)
        elif c == ";":
            yield start, text[start:at], at, at
            start = at + 1
        elif c == "{":
            head, close = text[start:at], closing(text, at)
            is_type = _CLASS.match(without_template(head)) or re.match(r"\s*enum\b", head)
            is_scope = re.match(r"\s*(?:inline\s+)?namespace\b|\s*extern\b", head)
            function = not is_type and not is_scope and name_of_function(head) is not None
            if is_scope or (function and not is_initialiser_of_member(head)):
                yield start, head, at, close
                start = close + 1
            elif is_type:
                yield start, head, at, close
            at = close
        at += 1


def count_of_members(head):
    """How many data members a declaration in a class declares."""
    head = without_template(head)
    if not head or _NO_MEMBER.match(head) or re.match(r"(?:class|struct|union)\s+[\w:]+\s*$", head):
        return 0
    if name_of_function(head) is not None and not re.search(r"\(\s*(?:[\w:]+::)?[*&]", without_arguments(head)):
        return 0
    depth, count = 0, 1
    for c in without_arguments(head):
        depth += 1 if c in "([{" else -1 if c in ")]}" else 0
        count += c == "," and depth == 0
    return count


def of_scope(text, begin, end, inside=""):
    """Yields ('function', name, begin, lines) and ('members', name, begin, count) of a scope and all scopes in it."""
    members, type_before = 0, (None, None)
    for start, head, open_, close in declarations(text, begin, end):
        first = start + len(head) - len(head.lstrip())
        type_head = _CLASS.match(without_template(head))
        if open_ == close:
            # `struct {...} name;` comes twice: as the type, and then whole.
            members += count_of_members(text[type_before[1] + 1: open_] if type_before[0] == start else head)
        elif type_head:
            type_before = start, close
            name = "::".join(filter(None, (inside, type_head.group(1) or "unnamed")))
            yield from of_scope(text, open_ + 1, close, name)
        elif re.match(r"\s*enum\b", head):
            type_before = start, close
        elif re.match(r"\s*(?:inline\s+)?namespace\b|\s*extern\b", head):
            yield from of_scope(text, open_ + 1, close, inside)
        else:
            name = "::".join(filter(None, (inside, name_of_function(head))))
            yield "function", name, first, text.count("\n", first, close) + 1
    if inside:
        yield "members", inside, begin, members


def layer_of(path):
    """The layer, or the folder, that an exception names: it outlives a move of the file within the layer."""
    parts = path.parts
    return parts[2 if parts[0] == "include" else 1] if parts[0] != "bench" else "bench"


def without_directives(code):
    """Preprocessor lines as blanks: what stands in a macro is no declaration."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group()), code, flags=re.MULTILINE)


def findings_in(path, text, excused):
    """Yields (line, message) for one file; `path` is relative to the root."""
    code = without_directives(cpp_text.blank(text))
    for kind, name, at, size in of_scope(code, 0, len(code)):
        limit = FUNCTION_LIMIT if kind == "function" else MEMBER_LIMIT
        if size > limit and not excused.excuse(kind, layer_of(path), name):
            what = "lines: split it" if kind == "function" else "data members: split it"
            yield cpp_text.line_of(code, at), f"{name} has {size} {what} (limit {limit})"


def main(argv):
    root = cpp_text.ROOT if len(argv) < 2 else pathlib.Path(argv[1]).resolve()
    excused, bad, files = exceptions.of(root, "function", "members"), 0, cpp_text.sources(root, *FOLDERS)
    for path in files:
        for line, message in findings_in(path.relative_to(root), path.read_text(encoding="utf-8"), excused):
            print(f"{path.relative_to(root)}:{line}: {message}")
            bad += 1
    for message in excused.needless():
        print(message)
        bad += 1
    print(f"sizes: {len(files)} files, {bad} findings")
    return 1 if bad or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
