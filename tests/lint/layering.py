"""Checks that the includes obey the layers, that the core stays pure, and that no file grows too long.

Who may know whom is read from CMakeLists.txt: spillway_layer(name LINK a b) lets `name` include a, b and what those
may include. The linker finds most breaches too, but not those that need a header only.

Usage: layering.py [ROOT]
"""

import os
import pathlib
import re
import sys

import cpp_text

LINE_LIMIT = 400
_LAYER = re.compile(r"spillway_layer\(\s*(\w+)([^)]*)\)")
_PROGRAM = re.compile(r"spillway_program\(\s*\S+\s+(\S+)\s+(\w+)\s*\)")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)

_SOCKETS = r"(sys/(socket|epoll|un|uio)|netinet/|arpa/|netdb|openssl/|boost/(asio|beast))"
_BANNED_INCLUDES = {
    # No network and no TLS where decisions and text are made.
    "base": _SOCKETS,
    "http": _SOCKETS,
    "config": _SOCKETS,
    "stats": _SOCKETS,
    # No I/O, no lock, no log, no thread: everything that the core needs is an argument.
    "core": _SOCKETS + r"|(mutex|shared_mutex|condition_variable|semaphore|latch|barrier|future|thread|stop_token)$"
                       r"|(fstream|iostream|cstdio|stdio\.h|unistd\.h|fcntl\.h|sys/)|spdlog/|prometheus/|yaml-cpp/|nlohmann/",
}
_BANNED_WORDS = {
    "core": r"(?:\b\w*clock|\bclock_type)\s*::\s*now\s*\(|\brandom_device\b|\bs?rand\s*\(|\bgetenv\s*\(|\bthread_local\b"
            r"|\bstd::(?:mutex|thread|jthread|shared_mutex|condition_variable)\b",
}


def layers_of(root):
    """Each layer's name -> all layers that it may include (itself too), and each program's source -> its layer."""
    cmake = re.sub(r"#[^\n]*", "", (root / "CMakeLists.txt").read_text(encoding="utf-8"))
    direct = {}
    for name, rest in _LAYER.findall(cmake):
        words = re.sub(r"\bPRIVATE_LINK\b.*", "", rest, flags=re.DOTALL).split()
        direct[name] = [w for w in words if w != "LINK"]
    allowed = {}
    for name in direct:  # a layer is declared after those that it links
        allowed[name] = {name}.union(*(allowed.get(d, set()) for d in direct[name]))
    return allowed, dict(_PROGRAM.findall(cmake))


def layer_of(path, programs):
    """The layer that a file of the tree belongs to, or None when it may include anything."""
    parts = path.as_posix().split("/")
    if path.as_posix() in programs:
        return programs[path.as_posix()]
    for folder in (("include", "spillway"), ("src",), ("tests", "unit")):
        if tuple(parts[: len(folder)]) == folder and len(parts) > len(folder) + 1:
            return parts[len(folder)]
    return None


def leaves_layer(path, name):
    """Whether an include with quotes reaches out of the folder src/<layer> that its file lies in."""
    home = path.parts[:2]
    return pathlib.PurePath(os.path.normpath(path.parent / name)).parts[:2] != home or path.parts[0] != "src"


def breaches_of(path, text, allowed, programs):
    """Yields (line, message) for one file; `path` is relative to the root."""
    layer, in_tests = layer_of(path, programs), path.parts[0] == "tests"
    # Literals are blanked for the words, but an #include "file" must survive.
    code = cpp_text.blank(text)
    if layer is not None and layer not in allowed:
        yield 1, f"layer '{layer}' is not declared in CMakeLists.txt"
        return
    if layer is not None:
        for match in _INCLUDE.finditer(text):
            line, (quote, name) = cpp_text.line_of(text, match.start(1)), match.groups()
            ours = re.match(r"spillway/(\w+)/", name)
            if ours and ours.group(1) not in allowed[layer]:
                yield line, f"'{layer}' may not know '{ours.group(1)}' (<{name}>)"
            elif quote == '"' and not ours and not in_tests and "/" in name and leaves_layer(path, name):
                yield line, f'"{name}" leaves the layer: private headers stay in their own one'
            banned = _BANNED_INCLUDES.get(layer)
            if banned and not in_tests and re.match(banned, name):
                yield line, f"'{layer}' may not include <{name}>"
    if layer in _BANNED_WORDS and not in_tests:
        for match in re.finditer(_BANNED_WORDS[layer], code):
            yield cpp_text.line_of(code, match.start()), f"'{layer}' may not use {match.group().strip()}"
    lines = text.count("\n")
    if lines > LINE_LIMIT:
        yield lines, f"{lines} lines: split it (limit {LINE_LIMIT})"


def main(argv):
    root = cpp_text.ROOT if len(argv) < 2 else pathlib.Path(argv[1]).resolve()
    allowed, programs = layers_of(root)
    files, bad = cpp_text.sources(root, "include", "src", "tests", "bench"), 0
    for path in files:
        for line, message in breaches_of(path.relative_to(root), path.read_text(encoding="utf-8"), allowed, programs):
            print(f"{path.relative_to(root)}:{line}: {message}")
            bad += 1
    print(f"layering: {len(allowed)} layers, {len(files)} files, {bad} breaches")
    return 1 if bad or not files or not allowed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
