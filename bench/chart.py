"""A bar chart in SVG: for each row, how many times as long as Cotangent the others take; one panel for one thread and one for two.

Bars start at 1 on a logarithmic axis: to the right whoever is slower, to the left (the limit of the hardware) whoever is faster.
"""
import math
from xml.sax.saxutils import escape

BARS = [("limit", "limit of the hardware", "#b9b9b9"), ("hand", "by hand, BLIS", "#707070"),
        ("hand_openblas", "by hand, OpenBLAS", "#4a9a5a"), ("torch", "PyTorch", "#d9573b"), ("jax", "JAX", "#e0a030")]
BAR, GAP, LABEL, PANEL, TOP = 10, 12, 120, 400, 84


def shown(row):
    return [bar for bar in BARS if row.ratio(bar[0], "library", 1) or row.ratio(bar[0], "library", 2)]


def time_of(us):
    return f"{us:.3g} us" if us < 1e3 else f"{us / 1e3:.3g} ms" if us < 1e6 else f"{us / 1e6:.3g} s"


def panel(rows, threads, x, low, high):
    """The bars of one number of threads, and where they end; low and high are powers of two."""
    def place(value):
        return x + PANEL * (math.log2(value) - low) / (high - low)

    bottom = TOP + sum(GAP + BAR * len(shown(r)) for r in rows)
    out = [f'<text x="{x}" y="{TOP - 12}" class="head">{threads} thread{"s" if threads > 1 else ""}</text>']
    for power in range(low, high + 1, 2):
        label = f"{2**power}" if power >= 0 else f"1/{2**-power}"
        px = place(2.0**power)
        out.append(f'<line x1="{px:.1f}" y1="{TOP}" x2="{px:.1f}" y2="{bottom}" class="{"one" if power == 0 else "grid"}"/>')
        out.append(f'<text x="{px:.1f}" y="{bottom + 14}" class="tick">{label}</text>')
    y = TOP
    for row in rows:
        bars, own = shown(row), row.us("library", threads)
        middle = y + BAR * len(bars) / 2 + 4
        out.append(f'<text x="{x - 8}" y="{middle:.1f}" class="row"><tspan class="head">{escape(row.name)}</tspan> '
                   f'{time_of(own) if own else ""}</text>')
        for key, label, color in bars:
            value = row.ratio(key, "library", threads)
            if value:
                a, b = sorted((place(1), place(value)))
                out.append(f'<rect x="{a:.1f}" y="{y}" width="{max(1, b - a):.1f}" height="{BAR - 1}" fill="{color}">'
                           f'<title>{escape(row.name)}, {label}: {time_of(row.us(key, threads))}</title></rect>')
                out.append(f'<text x="{max(b, place(1)) + 3:.1f}" y="{y + BAR - 2}" class="value">{value:.3g}</text>')
            y += BAR
        y += GAP
    return out, bottom


def draw(rows):
    rows = [r for r in rows if shown(r)]
    counts = [t for t in (1, 2) if any(r.us("library", t) for r in rows)]
    values = [row.ratio(bar[0], "library", t) for row in rows for bar in BARS for t in counts]
    values = [v for v in values if v]
    if not values:
        return '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>\n'
    low = min(0, math.floor(math.log2(min(values)) / 2) * 2)
    high = max(2, math.ceil(math.log2(max(values)) / 2) * 2)
    out, bottom = [], TOP
    for i, threads in enumerate(counts):
        lines, bottom = panel(rows, threads, LABEL + i * (PANEL + LABEL + 40), low, high)
        out += lines
    present = [bar for bar in BARS if any(bar in shown(r) for r in rows)]
    for i, (_, label, color) in enumerate(present):
        px = 20 + 150 * i
        out.append(f'<rect x="{px}" y="38" width="12" height="12" fill="{color}"/><text x="{px + 17}" y="48">{label}</text>')
    width, height = max(len(counts) * (PANEL + LABEL + 40), 20 + 150 * len(present)), bottom + 30
    style = ("text{font:11px sans-serif;fill:#222}.title,.head{font-weight:bold}.title{font-size:14px}.row{text-anchor:end}"
             ".tick{text-anchor:middle;fill:#666}.value{font-size:8px;fill:#555}.grid{stroke:#e4e4e4}.one{stroke:#1b6ca8}")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
            f'<style>{style}</style><rect width="100%" height="100%" fill="#fff"/>'
            f'<text x="20" y="24" class="title">Times as long as Cotangent (whose own time stands at the left), '
            f'logarithmic</text>{"".join(out)}</svg>\n')
