#!/usr/bin/env python3
"""Writes digits.csv.gz as a C array of bytes, deflated (zlib): the first pixel of all images, the second, ..., then all labels.

Usage: embed.py digits.csv.gz digits_data.c
"""
import csv
import gzip
import sys
import zlib

COUNT, PIXELS = 1797, 64


def read(path):
    with gzip.open(path, "rt", encoding="ascii", newline="") as file:
        rows = [[int(value) for value in row] for row in csv.reader(file)]
    if len(rows) != COUNT or any(len(row) != PIXELS + 1 for row in rows):
        sys.exit(f"{path}: expected {COUNT} rows of {PIXELS + 1} numbers")
    if any(not 0 <= v <= 16 for row in rows for v in row[:PIXELS]) or any(not 0 <= row[PIXELS] <= 9 for row in rows):
        sys.exit(f"{path}: expected pixels of 0 to 16 and digits of 0 to 9")
    return rows


def main():
    rows = read(sys.argv[1])
    # A pixel is like itself in other images: 4 KB less than image by image.
    pack = zlib.compressobj(9, zlib.DEFLATED, 15, 8, zlib.Z_FILTERED)
    values = pack.compress(bytes([row[i] for i in range(PIXELS + 1) for row in rows])) + pack.flush()
    with open(sys.argv[2], "w", encoding="ascii") as out:
        out.write("/* Made from data/digits.csv.gz by data/embed.py; credits in data/README.md. */\n")
        out.write("extern const unsigned long ct__io_digits_size;\n")
        out.write("extern const unsigned char ct__io_digits[];\n")
        out.write(f"const unsigned long ct__io_digits_size = {len(values)};\n")
        out.write(f"const unsigned char ct__io_digits[{len(values)}] = {{\n")
        for start in range(0, len(values), 32):
            out.write(",".join(map(str, values[start : start + 32])) + ",\n")
        out.write("};\n")


main()
