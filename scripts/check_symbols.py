#!/usr/bin/env python3
"""Checks what the library shows: check_symbols.py NM SHARED STATIC

The shared library exports exactly the functions that the public headers declare. The static one, whose internals are
visible to the linker, defines only names that begin with ct_, so that it cannot collide with a program's own.
"""
import pathlib
import re
import subprocess
import sys

PUBLIC = pathlib.Path(__file__).resolve().parent.parent / "include" / "cotangent"
DECLARATION = re.compile(r"\bCT_API\b[^;{]*?\b(ct_\w+)\s*\(")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def declared():
    text = "".join(COMMENT.sub(" ", path.read_text(encoding="utf-8")) for path in PUBLIC.glob("*.h"))
    return set(DECLARATION.findall(text))


def defined(nm, *arguments):
    lines = subprocess.run([nm, "--defined-only", *arguments], capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[2] for line in lines if len(line.split()) == 3}


def main():
    nm, shared, static = sys.argv[1:4]
    public, exported = declared(), defined(nm, "-D", shared)
    everything = defined(nm, "-g", static)
    problems = [f"{name} is declared but not exported" for name in sorted(public - exported)]
    problems += [f"{name} is exported but not declared" for name in sorted(exported - public)]
    problems += [f"{name} in the static library has no ct_ in front" for name in sorted(everything) if not name.startswith("ct_")]
    print("\n".join(problems) or f"{len(exported)} functions exported, all declared")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
