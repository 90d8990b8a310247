#!/usr/bin/env python3
"""Compiles and runs the programs that the documentation shows: check_readme.py INCLUDE LIBRARY COMPILER...

Every fenced block of README.md and docs/*.md that is marked `c` and has a main() is compiled against the library as a user
would, with all warnings, and run in an empty folder, where it must end with 0. A block that is followed by one marked `output`
must print exactly that. The README must show at least one program.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", re.DOTALL | re.MULTILINE)
FLAGS = ["-std=c17", "-D_POSIX_C_SOURCE=200809L", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
SECONDS = 120


def programs(path):
    """(line, source, the output it must have or None) of each program of a page."""
    text = path.read_text(encoding="utf-8")
    blocks = [(m[1], m[2], text.count("\n", 0, m.start()) + 1) for m in FENCE.finditer(text)]
    for i, (language, source, line) in enumerate(blocks):
        if language == "c" and re.search(r"\bmain\s*\(", source):
            follower = blocks[i + 1] if i + 1 < len(blocks) else ("", "", 0)
            yield line, source, follower[1] if follower[0] == "output" else None


def problem_of(source, output, include, library, compiler):
    """What went wrong when a program was compiled and run; None if nothing did."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as empty:
        (pathlib.Path(folder) / "model.c").write_text(source, encoding="utf-8")  # the name stands in messages
        link = [str(library), f"-Wl,-rpath,{library.parent}", "-lm"]
        command = [*compiler, *FLAGS, f"-I{include}", "model.c", "-o", "model", *link]
        compiled = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if compiled.returncode:
            return compiled.stderr
        try:
            ran = subprocess.run([pathlib.Path(folder) / "model"], cwd=empty, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return f"runs for more than {SECONDS} seconds"
    if ran.returncode:
        return f"ends with {ran.returncode}\n{ran.stdout}{ran.stderr}"
    if output is not None and ran.stdout != output:
        return f"prints\n{ran.stdout}instead of\n{output}"
    return None


def main():
    include, library = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
    compiler = sys.argv[3:]
    shown, failed = {}, 0
    for path in [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]:
        shown[path.name] = list(programs(path)) if path.exists() else []
        for line, source, output in shown[path.name]:
            problem = problem_of(source, output, include, library, compiler)
            failed += problem is not None
            print(f"{path.relative_to(TOP)}:{line}: {problem or 'compiles and runs'}")
    if not shown["README.md"]:
        print("README.md shows no program")
    return 1 if failed or not shown["README.md"] else 0


if __name__ == "__main__":
    sys.exit(main())
