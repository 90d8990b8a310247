#!/usr/bin/env python3
"""Checks that includes point up the list of rooms only: base, tensor, autograd, ops, nn, io, check.

A room's files may include the public headers up to its own and the internals named in MAY_INCLUDE; nn, io and check are written
with the public headers alone. Only src/tensor/gemm_large.c names BLIS. Prints each breach and exits with 1 if there is one.
"""
import pathlib
import re
import sys

ROOMS = ["base", "tensor", "autograd", "ops", "nn", "io", "check"]
# Public ones not named as their room.
MORE_HEADERS = {"capture": "autograd", "custom": "autograd", "inspect": "autograd", "trace": "autograd"}
MAY_INCLUDE = {
    "base": {"base"},
    "tensor": {"tensor", "base"},
    "autograd": {"autograd", "tensor", "base"},
    "ops": {"ops", "autograd", "tensor", "base"},
    "nn": {"nn"},
    "io": {"io"},
    "check": {"check"},
}
TOP = pathlib.Path(__file__).resolve().parent.parent
SRC = TOP / "src"
PUBLIC = TOP / "include" / "cotangent"
BLIS_FILE = SRC / "tensor" / "gemm_large.c"

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
BLIS = re.compile(r"\bblis\.h\b|\bbli_\w+|\bBLIS_\w+")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def code_lines(path):
    """The lines of a file with comments blanked out, so that line numbers stay."""
    text = path.read_text(encoding="utf-8")
    return COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text).split("\n")


def include_problem(path, room, quote, name):
    """What is wrong with one #include of a file of this room; None if nothing is."""
    if name.startswith("cotangent/"):
        header = pathlib.PurePath(name).stem
        below = ROOMS[: ROOMS.index(room) + 1]
        return None if MORE_HEADERS.get(header, header) in below else f"<{name}> is above the room {room}"
    if quote == "<":
        return None
    target = path.parent / name if (path.parent / name).exists() else SRC / name
    if not target.exists():
        return f'"{name}" is neither beside the file nor under src'
    other = target.resolve().relative_to(SRC).parts[0]
    return None if other in MAY_INCLUDE[room] else f'the room {room} may not include "{name}", which is of {other}'


def breaches_of(path, room):
    for number, line in enumerate(code_lines(path), 1):
        match = INCLUDE.match(line)
        problem = include_problem(path, room, match[1], match[2]) if match else None
        if BLIS.search(line) and path != BLIS_FILE:
            problem = f"only {BLIS_FILE.relative_to(TOP)} may name BLIS"
        if problem:
            yield f"{path.relative_to(TOP)}:{number}: {problem}"


def main():
    files = [(p, p.relative_to(SRC).parts[0]) for p in sorted(SRC.rglob("*")) if p.suffix in {".c", ".h", ".def"}]
    files += [(p, MORE_HEADERS.get(p.stem, p.stem)) for p in sorted(PUBLIC.glob("*.h")) if p.stem != "cotangent"]
    breaches = [breach for path, room in files for breach in breaches_of(path, room)]
    print("\n".join(breaches) or f"{len(files)} files include what they may")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
