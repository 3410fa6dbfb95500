"""What the lints share: the source files, and C++ text with comments and literals blanked out."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUFFIXES = {".cpp", ".hpp"}

_SKIP = re.compile(
    r"""//[^\n]*
      | /\*.*?\*/
      | R"(?P<tag>[^\s()\\]{0,16})\(.*?\)(?P=tag)"
      | "(?:\\.|[^"\\\n])*"
      | (?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'""",
    re.VERBOSE | re.DOTALL,
)


def blank(text):
    """The text with comments and literals turned into spaces; every character keeps its place and line."""

    def spaces(match):
        return re.sub(r"[^\n]", " ", match.group())

    return _SKIP.sub(spaces, text)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def sources(root, *folders):
    """All C++ files below the folders, sorted; a folder that does not exist has none."""
    found = []
    for folder in folders:
        found += [p for p in (root / folder).rglob("*") if p.suffix in SUFFIXES]
    return sorted(found)
