#!/usr/bin/env python3
"""Checks ct_operation_find against the headers, from another language: check_operations.py LIBRARY

Every public function of ops.h must be listed with its prototype, its documentation and its address.
"""
import ctypes
import pathlib
import re
import sys

HEADER = pathlib.Path(__file__).resolve().parent.parent / "include" / "cotangent" / "ops.h"


class Info(ctypes.Structure):
    """ct_operation_info"""

    _fields_ = [(name, kind) for kind, names in [
        (ctypes.c_char_p, ["name", "inputs", "parameters", "prototype", "doc", "formula"]),
        (ctypes.c_bool, ["vjp", "jvp", "composed"]),
        (ctypes.c_void_p, ["custom", "function"]),
    ] for name in names]


def problem_of(library, name, prototype):
    """What is wrong with the entry of a function; None if nothing is."""
    found = library.ct_operation_find(name.encode())
    if not found:
        return "is not listed"
    info = found.contents
    if info.prototype.decode() != prototype:
        return f"is listed as {info.prototype.decode()}, the header has {prototype}"
    if not info.doc or not info.inputs:
        return "has no documentation" if info.inputs else "has no inputs"
    address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    return None if info.function == address else "is listed with another function"


def main():
    library = ctypes.CDLL(str(pathlib.Path(sys.argv[1]).resolve()))
    library.ct_operation_find.restype = ctypes.POINTER(Info)
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(encoding="utf-8"), flags=re.DOTALL)
    declared = [re.sub(r"\s+", " ", item) for item in re.findall(r"CT_API ([^;]+);", text)]
    names = [re.search(r"\b(ct_\w+)\(", item)[1] for item in declared]
    problems = [(name, problem_of(library, name, item)) for name, item in zip(names, declared)]
    failed = [f"{name} {problem}" for name, problem in problems if problem]
    print("\n".join(failed) or f"{len(names)} functions of ops.h are listed as the header has them")
    return 1 if failed or len(names) < 100 else 0


if __name__ == "__main__":
    sys.exit(main())
