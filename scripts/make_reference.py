#!/usr/bin/env python3
"""Makes docs/reference.md from the public headers and src/ops/pointwise.def: make_reference.py [--check]

A comment in front of declarations becomes a paragraph, the declarations under it a block of code; "---- name ----" begins a
section. With --check nothing is written: the exit code is 1 when the page is not what would be written.
"""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
PAGE = TOP / "docs" / "reference.md"
HEADERS = ["base", "tensor", "ops", "autograd", "capture", "custom", "inspect", "trace", "nn", "io", "check"]
HEAD = """# Reference

Every public function, by header. This page is made from `include/cotangent/*.h` by `scripts/make_reference.py`; to change it,
change the header. One include brings everything: `#include <cotangent/cotangent.h>`. How the parts are used is told in
[guide.md](guide.md), which derivatives are chosen at kinks and how accurate the functions are in [numerics.md](numerics.md).
"""

SECTION = re.compile(r"^---- (.+?) -+$")
BRANCHES = {"#ifdef __cplusplus": False, "#ifndef CT_NO_PLACES": False, "#if defined(__cplusplus) && defined(__clang__)": False}
# What a declaration declares: a macro, a type, a type of functions, a function, a struct or enum; and the constants of an enum.
NAME = re.compile(r"#define (\w+)|^typedef .*?(\w+);|\(\*(\w+)\)\(|\b(ct_\w+)\(|\} (\w+);", re.MULTILINE)
CONSTANT = re.compile(r"\bCT_\w+")


# ---- reading a header -------------------------------------------------------------------------------------------------


def c_lines(text):
    """The lines that a C compiler of the GNU kind sees, without guards, includes and the macros that note places."""
    taken = []  # whether the branch we are in is read, for each open #if
    for line in text.split("\n"):
        word = line.split(" ")[0]
        if word in {"#if", "#ifdef", "#ifndef"}:
            taken.append(BRANCHES.get(line.strip(), True))
        elif word == "#else":
            taken[-1] = not taken[-1]
        elif word == "#endif":
            taken.pop()
        elif all(taken) and word not in {"#include", "#pragma"} and line not in {"#define COTANGENT_H", 'extern "C" {'}:
            yield line


def complete(item):
    """Whether these lines are a whole comment, macro or declaration."""
    if item.startswith("/*"):
        return "*/" in item
    if item.startswith("#"):
        return not item.endswith("\\")
    code = re.sub(r"/\*.*?\*/", "", item, flags=re.DOTALL).rstrip()
    return code.count("{") == code.count("}") and "/*" not in code and code.endswith((";", "}"))


def items(text):
    """The comments, macros and declarations of a header, an empty string for each gap."""
    item = ""
    for line in c_lines(text):
        item = f"{item}\n{line}" if item else line
        if not item or complete(item):
            yield item
            item = ""


def shown(item):
    """A declaration as the page shows it; None for what is not for users."""
    if item.startswith("#define"):
        name = re.match(r"#define (\w+(?:\([^)]*\))?)", item)[1]
        if re.match(r"CT_API|ct__|COTANGENT_", name):
            return None
        return f"#define {name} ..." if "\n" in item or "ct__" in item else item
    if item.startswith("static inline"):
        return None
    item = re.sub(r"\s*__attribute__\(\(format\(.*?\)\)\)\s*", "", item)
    return item.removeprefix("CT_API ").replace("    __extension__ struct", "    struct")


def marked(text):
    """A text with names as code and the signs that Markdown would take escaped."""
    parts = re.split(r"(`[^`]*`|\b[cC][tT]_\w*\w(?:\([^()]*\))?|\b\w+\^\w+\b)", text)
    for i, part in enumerate(parts):
        if i % 2 == 0:
            parts[i] = re.sub(r"([*_<|\\])", r"\\\1", part)
        elif not part.startswith("`"):
            parts[i] = f"`{part}`"
    return "".join(parts)


def prose(comment):
    """The text of a comment as Markdown; lines that are set in by four are code."""
    lines = comment.strip().removeprefix("/*").removesuffix("*/").strip().split("\n")
    lines = [re.sub(r"^ \*( |$)", "", line).rstrip() for line in lines]
    runs = re.split(r"((?:^    .*\n?)+)", "\n".join(lines), flags=re.MULTILINE)
    return "".join(run if i % 2 else marked(run) for i, run in enumerate(runs))


# ---- writing the page -------------------------------------------------------------------------------------------------


def anchor(title):
    return "#" + re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def names_in(item):
    code = re.sub(r"/\*.*?\*/", "", item, flags=re.DOTALL)
    constants = CONSTANT.findall(code) if re.match(r"(typedef )?enum", code) else []
    return [name for found in NAME.findall(code) for name in found if name] + constants


def chapter(header, index):
    """A header as a chapter; adds to the index the names it declares."""
    out, code, title, heading, first = [], [], header, None, True

    def put(text):
        nonlocal heading
        out.extend([heading, text] if heading else [text])
        heading = None  # a section without content has none

    def flush():
        if code:
            put("```c\n" + "\n".join(code) + "\n```")
            code.clear()

    for item in items((TOP / "include" / "cotangent" / f"{header}.h").read_text(encoding="utf-8")):
        section = item.startswith("/*") and SECTION.match(prose(item).replace("`", ""))
        if first and item:
            summary = prose(item).split(" - ", 1)[1]
            title, first = f"{header}.h", False
            out.append(f"## {title}\n\n{summary[0].upper()}{summary[1:]}")
        elif section:
            flush()
            title = section[1][0].upper() + section[1][1:]
            heading = f"### {title}"
        elif not item or item.startswith("/*"):
            flush()
            if item:
                put(prose(item))
        elif shown(item):
            code.append(shown(item))
            index.update({name: title for name in names_in(shown(item))})
    flush()
    return "\n\n".join(out)


# ---- the formulas of pointwise.def ------------------------------------------------------------------------------------

CONSTANTS = {"TWO_BY_SQRT_PI": "2/sqrt(pi)", "SQRT_HALF": "sqrt(1/2)", "ONE_BY_SQRT_2PI": "1/sqrt(2 pi)", "GELU_K": "sqrt(2/pi)"}
FORMULAS = """As they stand in `src/ops/pointwise.def`, from which values and derivatives are both compiled. p0 and p1 are
parameters; nonzero(a) is a, with 1 in place of 0; cut(a, b) is a, held between -b and b; LEAST and MOST are the smallest normal
and the largest finite number of the dtype."""
INFIX = {"ADD": (1, " + "), "SUB": (1, " - "), "MUL": (2, " "), "DIV": (2, " / "), "GT": (0, " > "), "LT": (0, " < "),
         "LE": (0, " <= "), "EQ": (0, " = ")}
PARTS = re.compile(r"\s*([A-Z_]+\d*\w*\s*\(|[\w.]+(?:\s*\|\s*\w+)*|[(),])")


def arguments(text):
    """A list of expressions, split at the commas outside parentheses."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [part.strip() for part in [*parts, text[start:]]]


def readable(text, macros):
    """(strength of the outermost operator, the formula as people write it)."""
    call = re.fullmatch(r"(\w+)\((.*)\)", text, re.DOTALL)
    if not call:
        constant = CONSTANTS.get(text, text)
        return 1 if re.match(r"\d/", constant) else 3, constant
    if call[1] in macros:
        parameter, body = macros[call[1]]
        return readable(re.sub(rf"\b{parameter}\b", call[2], body), macros)
    word, operands = call[1], [readable(part, macros) for part in arguments(call[2])]
    if word == "NUM":
        return operands[0]
    if word == "P":
        return 3, f"p{operands[0][1]}"
    if word == "NEG":
        return 1, "-" + (operands[0][1] if operands[0][0] >= 2 else f"({operands[0][1]})")
    if word == "WHERE":
        return 0, f"{operands[1][1]} where {operands[0][1]}, else {operands[2][1]}"
    if word not in INFIX:  # SIGN_UP is SIGN, of what is known to be never below 0
        return 3, f"{word.removesuffix('_UP').lower()}({', '.join(operand[1] for operand in operands)})"
    own, sign = INFIX[word]
    needs = [own, own + 1 if word in {"SUB", "DIV"} else own]
    sides = [side if strength >= need else f"({side})" for (strength, side), need in zip(operands, needs)]
    if word == "MUL" and sides[1].startswith("-"):
        sides[1] = f"({sides[1]})"
    return own, sign.join(sides)


def pointwise():
    """The tables of pointwise.def."""
    text = re.sub(r"/\*.*?\*/", "", (TOP / "src" / "ops" / "pointwise.def").read_text(encoding="utf-8"), flags=re.DOTALL)
    macros = {found[0]: found[1:] for found in re.findall(r"^#define (\w+)\((\w+)\) (.*)$", text, re.MULTILINE)}
    rules = {"NEGATED": "-1", "SAME": "1"}
    one, two = [], []
    for kind, name, rest in re.findall(r"^(\w+)\(\s*(\w+),(.*?)\)\n(?=\w|\n|#|$)", text + "\n", re.DOTALL | re.MULTILINE):
        formulas = [re.sub(r"\s+", " ", formula) for formula in arguments(rest) if "KEEP_" not in formula]
        cells = [rules.get(formula) or readable(formula, macros)[1] for formula in formulas]
        if kind == "FLAT_ANY":
            cells.append("0")
        (two if "BINARY" in kind or "LINEAR2" in kind else one).append([f"`ct_{name}`", *(f"`{cell}`" for cell in cells)])
    lines = ["### Pointwise formulas", FORMULAS]
    for head, rows in ((["", "y = f(x)", "dy/dx"], one), (["", "z = f(x, y)", "dz/dx", "dz/dy"], two)):
        lines.append("\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]))
    return "\n\n".join(lines)


def page():
    index, chapters = {}, []
    for header in HEADERS:
        chapters.append(chapter(header, index))
        if header == "ops":
            chapters.append(pointwise())
    names = sorted((name for name in index if re.match(r"ct_|CT_", name)), key=str.lower)
    listing = ",\n".join(f"[`{name}`]({anchor(index[name])})" for name in names)
    return "\n\n".join([HEAD.strip(), *chapters, "## Index", listing]) + "\n"


def main():
    others = {path.stem for path in (TOP / "include" / "cotangent").glob("*.h")} - {*HEADERS, "cotangent"}
    if others:
        print("HEADERS in scripts/make_reference.py does not name", *sorted(others))
        return 1
    text = page()
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
    print("docs/reference.md is what the headers say" if same else "docs/reference.md is stale: run scripts/make_reference.py")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
