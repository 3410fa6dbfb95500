"""Checks the includes inside a layer: no circles, and no public header that nobody outside needs.

A room is a header with the source of the same name, wherever in the layer the two lie: a circle of rooms cannot be
understood, tested or moved one at a time. A header in include/ is public when a file outside of its layer includes it, or
when another public header does; the unit tests of a layer belong to it. All other headers belong beside the sources.
Exceptions stand in exceptions.txt: `circle LAYER ROOM ROOM...`, `header LAYER/FILE`.

Usage: includes.py [ROOT]
"""

import collections
import pathlib
import re
import sys

import cpp_text
import exceptions
import layering

FOLDERS = ("include", "src", "tests", "bench")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
_PUBLIC = pathlib.PurePosixPath("include/spillway")


def included_by(path, text, files):
    """The files of the tree that this one includes; all paths are relative to the root."""
    for quote, name in _INCLUDE.findall(text):
        if name.startswith("spillway/"):
            target = pathlib.PurePosixPath("include") / name
        elif quote == '"':
            parts = []
            for part in (pathlib.PurePosixPath(path).parent / name).parts:
                if part == ".." and parts:
                    parts.pop()
                elif part != ".":
                    parts.append(part)
            target = pathlib.PurePosixPath(*parts)
            if target not in files:  # from a folder of the include path: tests/
                target = pathlib.PurePosixPath("tests") / name
        else:
            continue
        if target in files:
            yield target


def layer_and_rest(path):
    """The layer of a file and its path in there without suffix, or None for tests, programs and the benchmark."""
    parts = path.with_suffix("").parts
    if path.is_relative_to(_PUBLIC) and len(parts) > 3:
        return parts[2], "/".join(parts[3:])
    return (parts[1], "/".join(parts[2:])) if parts[0] == "src" and parts[1] != "main" else None


def rooms_of(paths):
    """Each file of a layer -> its room, (layer, name). Where a layer has a name twice, the folder belongs to it."""
    places = {path: place for path in paths if (place := layer_and_rest(path)) is not None}
    same = collections.Counter((layer, path.name) for path, (layer, _) in places.items())
    twice = {(layer, path.stem) for path, (layer, _) in places.items() if same[layer, path.name] > 1}
    return {path: (layer, rest if (layer, path.stem) in twice else path.stem)
            for path, (layer, rest) in places.items()}


def circles_of(edges):
    """The circles of a graph (node -> set of nodes), each as a sorted list: its strongly connected parts."""
    order, seen = [], set()
    for node in sorted(edges):
        stack = [(node, iter(sorted(edges[node])))] if node not in seen else []
        seen.add(node)
        while stack:
            at, rest = stack[-1]
            following = next((n for n in rest if n not in seen), None)
            if following is None:
                order.append(at)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(sorted(edges[following]))))
    back = {node: set() for node in edges}
    for node, targets in edges.items():
        for target in targets:
            back[target].add(node)
    done = set()
    for node in reversed(order):
        part, stack = [], [node]
        while stack:
            at = stack.pop()
            if at not in done:
                done.add(at)
                part.append(at)
                stack += back[at]
        if len(part) > 1:
            yield sorted(part)


def circles_in(graph, excused):
    """Yields a message for each circle of rooms that is not excused, and for each excuse that is not needed."""
    edges, where, rooms = {}, {}, rooms_of(graph)
    for path, room in rooms.items():
        edges.setdefault(room, set())
        for target in graph[path]:
            other = rooms.get(target)
            if other is not None and other != room and other[0] == room[0]:
                edges[room].add(other)
                edges.setdefault(other, set())
                where.setdefault((room, other), path)
    circles = list(circles_of(edges))
    for subject in excused.of("circle"):
        present = set().union(*(c for c in circles if c[0][0] == subject[0]), set())
        if all((subject[0], name) in present for name in subject[1:]):
            excused.excuse("circle", *subject)
    for circle in circles:
        layer, names = circle[0][0], {name for _, name in circle}
        if not any(e[0] == layer and names <= set(e[1:]) for e in excused.of("circle")):
            ways = [f"{p} includes {b[1]}" for (a, b), p in sorted(where.items()) if a in circle and b in circle]
            yield f"a circle in '{layer}': {', '.join(sorted(names))} ({'; '.join(ways)})"


def private_headers(graph, excused):
    """Yields a message for each header in include/ that only its own layer uses."""
    public = set()
    for path, targets in graph.items():
        own = layering.layer_of(pathlib.PurePosixPath(path), {})
        public |= {t for t in targets if t.is_relative_to(_PUBLIC) and t.parts[2] != own}
    before = None
    while before != len(public):
        before = len(public)
        public |= {t for p in public for t in graph[p] if t.is_relative_to(_PUBLIC)}
    for path in sorted(graph):
        if path.is_relative_to(_PUBLIC) and path not in public:
            if not excused.excuse("header", path.relative_to(_PUBLIC).as_posix()):
                yield f"{path}:1: only '{path.parts[2]}' uses it: move it to src/{path.parts[2]}"


def main(argv):
    root = cpp_text.ROOT if len(argv) < 2 else pathlib.Path(argv[1]).resolve()
    excused = exceptions.of(root, "circle", "header")
    found = cpp_text.sources(root, *FOLDERS)
    files = {pathlib.PurePosixPath(p.relative_to(root).as_posix()): p.read_text(encoding="utf-8") for p in found}
    graph = {path: set(included_by(path, text, files)) for path, text in files.items()}
    findings = [*circles_in(graph, excused), *private_headers(graph, excused), *excused.needless()]
    for message in findings:
        print(message)
    print(f"includes: {len(files)} files, {len(findings)} findings")
    return 1 if findings or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
