"""The exceptions of the lints: one list, exceptions.txt, that may only shrink.

A line is `KIND SUBJECT...`; what stands behind a # is a comment. Every lint asks for its own kinds, and one that is asked
for and not needed any more is a finding like any other.
"""

import pathlib

FILE = pathlib.Path("tests/lint/exceptions.txt")


class exceptions:
    def __init__(self, text, *kinds):
        self._unused = set()
        for line in text.splitlines():
            words = line.split("#")[0].split()
            if words and words[0] in kinds:
                self._unused.add(tuple(words))
        self._all = set(self._unused)

    def excuse(self, kind, *subject):
        """Whether this finding is excused; the exception is then needed."""
        entry = (kind, *subject)
        self._unused.discard(entry)
        return entry in self._all

    def of(self, kind):
        """All subjects of one kind, for lints that match them in a way of their own."""
        return [entry[1:] for entry in sorted(self._all) if entry[0] == kind]

    def needless(self):
        """Yields what is told for every exception that nothing needs."""
        for entry in sorted(self._unused):
            yield f"the exception '{' '.join(entry)}' is not needed any more: take it out of {FILE}"


def of(root, *kinds):
    file = root / FILE
    return exceptions(file.read_text(encoding="utf-8") if file.exists() else "", *kinds)
