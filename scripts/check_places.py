#!/usr/bin/env python3
"""Checks that every public function that can fail is also a macro of its name that notes the user's file and line.

Compares the prototypes of include/cotangent/*.h with the macros: the macro pastes its arguments once and hands the result to the
ct_here_* that returns the same type. A function without a macro must be named in CANNOT_FAIL, with the reason.
"""
import pathlib
import re
import sys

PUBLIC = pathlib.Path(__file__).resolve().parent.parent / "include" / "cotangent"
CANNOT_FAIL = {
    "it tells what was built": ["ct_version", "ct_instruction_set"],
    "it is about errors themselves": ["ct_error", "ct_report", "ct_clear_error", "ct_may_change_state", "ct_here",
                                      "ct_here_error"],
    "it fails only when memory for 64 more scopes is out, and then gives a number that does no harm": ["ct_scope_begin"],
    "any number will do": ["ct_scope_end", "ct_scope_cleanup"],
    "it reads or sets the thread's own state": ["ct_memory", "ct_count", "ct_threads", "ct_memory_reset_peak", "ct_memory_trim",
                                                "ct_seed", "ct_grad_mode", "ct_grad_mode_cleanup", "ct_detect_anomaly",
                                                "ct_detect_anomaly_cleanup", "ct_trace", "ct_capturing"],
    "what is not valid gives a value of its own, without an error": [
        "ct_dtype_name", "ct_dtype_size", "ct_shape_count", "ct_mistake_name", "ct_verdict_name", "ct_place_in_graph",
        "ct_source_line", "ct_captured_info_of"],
    "NULL is fine": ["ct_free", "ct_module_free", "ct_optimizer_free", "ct_dataset_free", "ct_loader_free", "ct_linear_free",
                     "ct_graph_free", "ct_comparison_free", "ct_captured_free"],
    "it returns a constant, or a number that is always there": ["ct_nn_end", "ct_adam_defaults", "ct_operation_count"],
}
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
PROTOTYPE = re.compile(r"\bCT_API\s+([^;{()]*?)\b(ct_\w+)\s*\(")
HELPER = re.compile(r"^(?:static inline|CT_API) ([\w *]*?)\b(ct_here(?!_error)\w*)\(", re.MULTILINE)
MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(ct_\w+)\(\.\.\.\)((?:[^\n\\]|\\\n|\\.)*)", re.MULTILINE)


def plain(text):
    return " ".join(text.split())


def problem_of(name, returned, macros, helpers):
    """What is wrong with the macro of a function that can fail; None if nothing is."""
    if name not in macros:
        return "has no macro that notes the place; add one, or the reason why it cannot fail to CANNOT_FAIL"
    call = f"{name}(__VA_ARGS__)"
    right = [f"{helper}({call}, CT_HERE)" for helper in helpers.get(returned, [])]
    right += [f"({call}, ct_here_error(CT_HERE))"] if returned == "void" else []
    right += [f"(!ct_here_bool(!{call}, CT_HERE))"] if returned == "bool" else []  # where true means failure
    if not right:
        return f"returns `{returned}`, for which there is no ct_here_*"
    body = plain(macros[name].replace("\\\n", " "))
    return None if body in right else f"is the macro `{body}`, expected `{right[0]}`"


def main():
    excused = {name for names in CANNOT_FAIL.values() for name in names}
    functions, macros, helpers, where = {}, {}, {}, {}
    for path in sorted(PUBLIC.glob("*.h")):
        text = COMMENT.sub(" ", path.read_text(encoding="utf-8"))
        macros |= dict(MACRO.findall(text))
        for returned, name in HELPER.findall(text):
            helpers.setdefault(plain(returned), []).append(name)
        for returned, name in PROTOTYPE.findall(text):
            functions[name], where[name] = plain(returned), path.name
    problems = [f"{where[name]}: {name} {problem}" for name, returned in sorted(functions.items())
                if name not in excused and (problem := problem_of(name, returned, macros, helpers))]
    problems += [f"CANNOT_FAIL names {name}, which is no public function" for name in sorted(excused - functions.keys())]
    print("\n".join(problems) or f"{len(functions) - len(excused)} functions note their place, {len(excused)} cannot fail")
    return 1 if problems or not functions else 0


if __name__ == "__main__":
    sys.exit(main())
