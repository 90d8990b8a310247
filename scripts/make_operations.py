#!/usr/bin/env python3
"""Makes the table of the library's operations for ct_operation_find: make_operations.py OUTPUT HEADER...

Each public function that takes a tensor first becomes a row: name, inputs, parameters, prototype, documentation, address. Its
documentation is the comment behind its prototype, else the one in front of it. Runs while the library is built.
"""
import pathlib
import re
import sys

DECLARATION = re.compile(r"CT_API ([\w ]+?\*?)\s*\b(ct_\w+)\(((?:const )?ct_tensor \*[^;]*)\);\s*(/\*.*?\*/)?", re.DOTALL)
HEAD = """/* Made by scripts/make_operations.py from the public headers. */
#include "ops/operations.h"

#include <cotangent/custom.h>
#include <cotangent/ops.h>

"""


def prose(comment):
    lines = re.sub(r"^/\*|\*/$", "", comment.strip()).split("\n")
    return " ".join(re.sub(r"^\s*\*? ?", "", line).strip() for line in lines).strip()


def operands(arguments):
    """The names of the tensors in front, as ct_operation_info has them, and the declarations of what follows."""
    parts = [part.strip() for part in arguments.split(",")]
    if parts[0].startswith("ct_tensor *const *"):
        return parts[0].removeprefix("ct_tensor *const *") + "...", ", ".join(parts[2:])
    tensors = [part for part in parts if part.startswith("ct_tensor *") and "**" not in part]
    return ", ".join(part.removeprefix("ct_tensor *") for part in tensors), ", ".join(p for p in parts if p not in tensors)


def groups(text):
    """(the comment in front, the declarations under it); a gap or the next comment ends a group."""
    text = text.split("#ifndef CT_NO_PLACES")[0]
    for block in re.split(r"\n\s*\n|^/\* -{4} .*$", text, flags=re.MULTILINE):
        front = ""
        for part in re.split(r"^(/\*.*?\*/)$", block, flags=re.MULTILINE | re.DOTALL):
            if part.startswith("/*"):
                front = prose(part)
            elif part.strip():
                yield front, list(DECLARATION.finditer(part))


def rows(header):
    """(name, inputs, parameters, prototype, documentation)"""
    last = ("", "")
    for front, found in groups(header.read_text(encoding="utf-8")):
        for match in found:
            returns, function, arguments, behind = match.groups()
            if header.name != "ops.h" and returns != "ct_tensor *":
                continue
            arguments = re.sub(r"\s+", " ", arguments)
            prototype = f"{returns} {function}({arguments})".replace("* ", "*", 1)
            own = prose(behind) if behind else front if len(found) == 1 else ""
            if own.startswith("the same"):
                own = f"as {last[0]}: {last[1]}" + own.removeprefix("the same")
            last = (function, own or front)
            yield (function.removeprefix("ct_"), *operands(arguments), prototype, own or front)


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def main():
    output, headers = sys.argv[1], [pathlib.Path(name) for name in sys.argv[2:]]
    lines = []
    for name, *texts in sorted(row for header in headers for row in rows(header)):
        cells = ", ".join(quoted(text) for text in [name, *texts])
        lines.append(f"    {{{cells}, (void (*)(void))ct_{name}}},\n")
    table = f"const ct__operation_row ct__operation_rows[] = {{\n{''.join(lines)}}};\n"
    count = "const int ct__operation_row_count = (int)(sizeof ct__operation_rows / sizeof *ct__operation_rows);\n"
    pathlib.Path(output).write_text(HEAD + table + count, encoding="utf-8")


if __name__ == "__main__":
    main()
