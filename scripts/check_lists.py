#!/usr/bin/env python3
"""Checks that every C file is named in the meson.build of its part, so that none is left out unnoticed."""
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
# part: (its files, how its meson.build names one)
PARTS = {
    "src": ("*/*.c", lambda path: path.relative_to(TOP / "src").as_posix()),
    "tests": ("test_*.c", lambda path: path.stem.removeprefix("test_")),
    "examples": ("*.c", lambda path: path.stem),
    "bench": ("*.c", lambda path: path.name),
}


def unlisted(part, pattern, name_of):
    listing = (TOP / part / "meson.build").read_text(encoding="utf-8")
    for path in sorted((TOP / part).glob(pattern)):
        if f"'{name_of(path)}'" not in listing:
            yield f"{path.relative_to(TOP)} is not in {part}/meson.build, where it would be '{name_of(path)}'"


def main():
    problems = [line for part, (pattern, name_of) in PARTS.items() for line in unlisted(part, pattern, name_of)]
    print("\n".join(problems) or "every C file is listed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
