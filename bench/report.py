"""Writes what bench/run measured: a table in Markdown, the figures as JSON, and a bar chart (chart.py)."""
import json
import statistics

import chart

PEERS = ("torch", "jax", "kann")
SHOWN = {
    "library": "Cotangent", "replay": "replayed", "limit": "limit", "hand": "by hand, BLIS",
    "hand_openblas": "by hand, OpenBLAS", "blis": "BLIS", "openblas": "OpenBLAS", "own": "own products",
    "pass": "optimizer's pass", "libmvec": "libmvec", "sleef": "SLEEF",
    "torch": "PyTorch", "jax": "JAX", "kann": "KANN",
}


STAND_IN = SHOWN["hand_openblas"] + ", which stands for KANN"


class Row:
    """The measured times of a row: lists over the rounds, by contestant and threads."""

    def __init__(self, name, data):
        self.name, self.data, self.what = name, data, data["what"]

    def times(self, contestant, threads):
        """The list over the rounds; "limit" is put together where it is not a contestant of its own."""
        found = self.data["times"].get(f"{contestant} {threads}")
        if found or contestant != "limit":
            return found
        products = ("blis", "own") if self.name[0] == "W" else ("blis", "openblas", "libmvec", "sleef")
        lists = [self.data["times"][f"{c} {threads}"] for c in products if f"{c} {threads}" in self.data["times"]]
        if not lists:
            return None
        least = min(lists, key=statistics.median)
        extra = self.data["times"].get(f"pass {threads}") or [0] * len(least)
        return [a + b for a, b in zip(least, extra)]

    def us(self, contestant, threads):
        found = self.times(contestant, threads)
        return statistics.median(found) if found else None

    def ratio(self, a, b, threads):
        """The median over the rounds of a's time over b's."""
        x, y = self.times(a, threads), self.times(b, threads)
        return statistics.median(p / q for p, q in zip(x, y)) if x and y and len(x) == len(y) else None

    def best_peer(self, threads):
        found = [p for p in PEERS if self.times(p, threads)]
        return min(found, key=lambda p: self.us(p, threads)) if found else None

    def gain(self, contestant="library"):
        """What the second thread brings."""
        x, y = self.times(contestant, 1), self.times(contestant, 2)
        return statistics.median(p / q for p, q in zip(x, y)) if x and y and len(x) == len(y) else None


def number(value, digits=3):
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:#.{digits}g}".rstrip(".")


def ratio(value):
    return "–" if value is None else f"{value:.2f}"


def table(header, rows):
    if not rows:
        return ""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(r) + " |" for r in rows]) + "\n"


def both(f):
    """A cell for one and for two threads."""
    return f"{f(1)} / {f(2)}"


# ---- the tables ------------------------------------------------------------------------------------------------------


def by_flops(row, threads, rows):
    """The time of the row's products at the speed of the FMA loop, by what the library counted."""
    flops = row.data["count"].get(str(threads), {}).get("gemm_flops")
    loop = rows["H.fma"].us("limit", threads) if "H.fma" in rows else None
    return flops / (rows["H.fma"].data["flops"] / loop) if flops and loop else None


def networks(shown, rows):
    rivals = ("hand", "hand_openblas", "blis", "own", "openblas", "pass")
    compared = ("hand", "hand_openblas", "limit")
    lines = []
    for r in shown:
        lines.append([r.name] + [both(lambda t, r=r, c=c: number(r.us(c, t))) for c in ("library", "replay", *rivals)]
                     + [both(lambda t, r=r: number(by_flops(r, t, rows)))]
                     + [both(lambda t, r=r, c=c: ratio(r.ratio("library", c, t))) for c in compared]
                     + [both(lambda t, r=r: ratio(r.ratio("replay", "limit", t)))])
    return table(["row", "Cotangent", "replayed", *(SHOWN[c] for c in rivals), "products at the FMA loop's speed",
                  *("to " + SHOWN[c] for c in compared), "replayed to limit"], lines)


def composed(shown, rows):
    lines = [[r.name, both(lambda t, r=r: number(r.us("library", t))), both(lambda t, r=r: number(by_flops(r, t, rows))), r.what]
             for r in shown]
    return table(["row", "Cotangent", "products at the FMA loop's speed", "what"], lines)


def singles(rows):
    lines = [[r.name, both(lambda t: number(r.us("library", t))), both(lambda t: number(r.us("limit", t))),
              both(lambda t: ratio(r.ratio("library", "limit", t))), r.what] for r in rows]
    return table(["row", "Cotangent", "limit", "to limit", "what"], lines)


def against_peers(rows):
    present = [p for p in PEERS if any(r.times(p, t) for r in rows for t in (1, 2))]
    if not present:
        return "No peer was installed.\n"
    lines = []
    for r in rows:
        if not r.best_peer(1) and not r.best_peer(2):
            continue
        kilobytes = r.data.get("peak_kilobytes", {})
        lines.append([r.name, both(lambda t: number(r.us("library", t))), both(lambda t: number(r.us("replay", t)))]
                     + [both(lambda t, p=p: number(r.us(p, t))) for p in present]
                     + [both(lambda t, p=p: ratio(r.ratio("library", p, t))) for p in present]
                     + [both(lambda t: ratio(r.best_peer(t) and r.ratio("replay", r.best_peer(t), t)))]
                     + [number(kilobytes[p] / 1024) if kilobytes.get(p) else "–" for p in ("ours", *present)])
    return table(["row", "Cotangent", "replayed", *(SHOWN[p] for p in present), *("to " + SHOWN[p] for p in present),
                  "replayed to the best", "process MB: ours",
                  *(SHOWN[p] for p in present)], lines)


def counters(rows):
    names = ("operations", "nodes", "mallocs", "gemm_calls", "passes", "bytes", "parallel_regions")
    lines = []
    for r in rows:
        one, two = (r.data["count"].get(t, {}) for t in ("1", "2"))
        two = two or one
        if "operations" in one and "operations" in two:
            lines.append([r.name, *(f"{one[n]:g}" if one[n] == two[n] else f"{one[n]:g} / {two[n]:g}" for n in names),
                          number(one["peak_bytes"] / 1e6)])
    return table(["row", "operations", "nodes", "mallocs", "products", "passes", "bytes of passes", "parallel regions", "peak MB of tensors"], lines)


def fractions(rows, rivals, asked):
    """Rows whose measure is the limit's time over the library's."""
    lines = [[r.name, both(lambda t: number(r.us("library", t)))] + [both(lambda t, c=c: number(r.us(c, t))) for c in rivals]
             + [both(lambda t: ratio(r.ratio("library", "limit", t))), r.what] for r in rows]
    return table(["row", "Cotangent", *(SHOWN[c] for c in rivals), f"to the best ({asked})", "what"], lines)


def products(rows):
    """The bare product, into a matrix that is there, as BLIS and OpenBLAS have it; and ct_matmul, which makes a tensor."""
    columns = ("product", "library", "blis", "openblas")
    lines = [[r.name] + [both(lambda t, c=c: number(r.us(c, t))) for c in columns]
             + [both(lambda t: ratio(r.ratio("product", "limit", t))), both(lambda t: ratio(r.ratio("library", "limit", t))), r.what]
             for r in rows]
    return table(["row", "bare product", "ct_matmul", "BLIS", "OpenBLAS", "product to the best (1.11 asked)", "ct_matmul to the best",
                  "what"], lines)


def hardware(rows):
    lines = []
    for r in rows:
        amount = r.data["flops"] or r.data["bytes"]  # neither: it is the time that counts
        unit = "GF/s" if r.data["flops"] else "GB/s" if amount else "us"
        times = [r.us("limit", t) for t in (1, 2)]
        figures = [us and amount / us / 1e3 for us in times] if amount else times
        lines.append([r.name, r.what, " / ".join(number(f) for f in figures) + " " + unit, ratio(r.gain("limit"))])
    return table(["row", "what", "1 / 2 threads", "gain"], lines)


def gains(rows, all_rows):
    """What two threads bring, against what the FMA loop or the triad gains."""
    reference = {name: all_rows[name].gain("limit") for name in ("H.fma", "H.triad", "H.read") if name in all_rows}
    lines = []
    for r in rows:
        kind = "H.fma" if r.name[0] in "WG" or r.name == "E8" else "H.read" if r.name.startswith("E3") else "H.triad"
        if r.gain() and reference.get(kind):
            lines.append([r.name, ratio(r.gain()), kind, ratio(reference[kind]), ratio(r.gain() / reference[kind])])
    return table(["row", "gain of the second thread", "reference", "its gain", "share (0.95 asked of large rows)"], lines)


# ---- what is asked ---------------------------------------------------------------------------------------------------


def checks(rows, start):
    """(what is asked, measured, bound) for each number of threads, where both were measured."""
    found = []

    def ask(text, value, bound):
        if value is not None:
            found.append((text, value, bound))

    def at(name):
        return rows.get(name)

    for t in (1, 2):
        for name in ("W2", "W3", "W4", "W5", "W6"):
            row = at(name)
            peer = row and row.best_peer(t)
            if peer:
                ask(f"{name}, {t} thr.: to the best peer here, {SHOWN[peer]}", row.ratio("library", peer, t), 1)
            if row and not row.times("kann", t):
                ask(f"{name}, {t} thr.: to {STAND_IN}", row.ratio("library", "hand_openblas", t), 1)
            if row and name != "W6":
                ask(f"{name}, {t} thr.: to the program by hand", row.ratio("library", "hand", t), 1.05)
        if at("W1"):
            there = at("W1").times("kann", t)
            ask(f"W1, {t} thr.: to {SHOWN['kann'] if there else STAND_IN}",
                at("W1").ratio("library", "kann" if there else "hand_openblas", t), 2.5)
        for name, bound in (("W2", 1.4), ("W3", 1.15), ("W4", 1.15), ("W5", 1.4), ("W6", 1.15)):
            if at(name):
                ask(f"{name}, {t} thr.: to products and optimizer's pass", at(name).ratio("library", "limit", t), bound)
                ask(f"{name}, {t} thr.: the same, replayed", at(name).ratio("replay", "limit", t), bound)
        for name, peer, bound in (("E1", "torch", 0.5), ("E1", "jax", 1), ("E3.0", "jax", 1), ("E3.1", "jax", 1),
                                  ("E3.all", "jax", 1), ("E4", "torch", 0.5), ("E5", "torch", 0.5)):
            if at(name):
                ask(f"{name}, {t} thr.: to {SHOWN[peer]}", at(name).ratio("library", peer, t), bound)
        if at("E1"):
            ask(f"E1, {t} thr.: the same, replayed, to JAX", at("E1").ratio("replay", "jax", t), 1)
        for name in ("E6", "E7.row", "E7.col"):
            if at(name):
                ask(f"{name}, {t} thr.: to the triad", at(name).ratio("library", "limit", t), 1.2)
        for name, row in rows.items():
            if name[0] == "P":
                ask(f"{name}, {t} thr.: to the bandwidth", row.ratio("library", "limit", t), 1 / 0.85)
            elif name[0] == "G" and not name.startswith("G6"):
                ours = "product" if row.times("product", t) else "library"
                ask(f"{name}, {t} thr.: {'ct_matmul ' if ours == 'library' else ''}to BLIS and OpenBLAS", row.ratio(ours, "limit", t), 1 / 0.9)
            elif name[0] == "F" and row.us("limit", t):
                ask(f"{name}, {t} thr.: to libmvec and SLEEF", row.ratio("library", "limit", t), 1.2)
    for name, bound, text in (("W1", 2, "us a step"), ("E2", 15, "us"), ("E8", 100, "us"), ("E9", 0.06, "us an operation")):
        if at(name):
            ask(f"{name}, 1 thr.: {text}", at(name).us("library", 1), bound)
    ask("start of the process to the end of the first step, ms", start.get("first_step_ms"), 20)
    ask("stripped shared library, MB", start["stripped_bytes"] / 1e6 if start.get("stripped_bytes") else None, 1)
    return found


def verdicts(rows, start):
    lines = [[text, number(value), "at most " + number(bound), "yes" if value <= bound else "no"]
             for text, value, bound in checks(rows, start)]
    return table(["asked", "measured", "bound", "met"], lines)


# ---- all -------------------------------------------------------------------------------------------------------------


def describe(about):
    peers = ", ".join(f"{SHOWN[n]} {v}" for n, v in about["peers"].items()) or "no peers"
    load = ", ".join(f"{x:.1f}" for x in about["load"])
    busy = "Processor time, with one thread alone, since the machine was busy: no figures to quote. "
    libraries = ", ".join(f"{n} {about[k] or 'not found'}" for n, k in (("OpenBLAS", "openblas"), ("SLEEF", "sleef")))
    return (f"{about['date']}, {about['processor']}, {about['processors']} processors, kernels {about['instruction_set']}; "
            f"{peers}; {libraries}. "
            f"{about['rounds']} rounds in {about['spread']:g} s or more, turns of {1e3 * about['turn']:g} ms, OMP_WAIT_POLICY {about['wait_policy']}; "
            f"processors were nobody else's in {100 * about['quiet']:.0f} % of the turns; "
            f"load average at the end {load} (above the number of processors the machine was not quiet). "
            f"{busy if about['clock'] == 'processor' else ''}"
            "Microseconds per step, one / two threads; ratios are medians over the rounds of ratios within a round; below 1 the "
            "library is ahead.\n")


NETWORKS = """The limit is the faster of BLIS (the best of its ways for each product) and the library's own products, plus one
pass over what the optimizer touches. KANN, a static graph on OpenBLAS, is among the peers below where its sources were given.
"""
COMPOSED = """W7 to W9 have no operation of their own here yet: no convolution and no pooling, no LSTM cell, no attention.
They are composed of the operations that there are.
"""


def compose(results):
    rows = {name: Row(name, data) for name, data in results["rows"].items() if data["times"]}
    start = results.get("start", {})

    def family(letters):
        return [r for name, r in rows.items() if name[0] in letters]

    parts = [("Training steps", networks([r for r in family("W") if r.times("hand", 1)], rows)),
             ("Composed networks", composed([r for r in family("W") if not r.times("hand", 1)], rows)),
             ("Single operations", singles(family("E"))),
             ("Peers", against_peers(family("WE"))),
             ("What a step does, by the library's own counters", counters(family("WE"))),
             ("Products", products(family("G"))),
             ("Functions", fractions(family("F"), ("libmvec", "sleef"), "1.2 asked")),
             ("Passes over memory", fractions(family("P"), ("limit",), "1.18 asked")),
             ("Hardware", hardware(family("H"))),
             ("Two threads", gains(family("WEP"), rows)),
             ("What is asked", verdicts(rows, start))]
    notes = {"Training steps": NETWORKS, "Composed networks": COMPOSED}
    text = "# Benchmark\n\n" + describe(results["about"])
    for title, body in parts:
        if body:
            text += f"\n## {title}\n\n{body}"
        if body and title in notes:
            text += "\n" + notes[title]
    if results["failures"]:
        text += "\n## Failures\n\n" + "".join(f"- {line}\n" for line in results["failures"])
    return text, rows


def write(results, folder):
    text, rows = compose(results)
    (folder / "table.md").write_text(text, encoding="utf-8")
    (folder / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    (folder / "chart.svg").write_text(chart.draw([r for name, r in rows.items() if name[0] in "WE"]), encoding="utf-8")
    print(text)
