#!/usr/bin/env python3
"""Prints how many checks passed and how many failed, from Meson's testlog.json: `passed failed`.

A cmocka program counts by its test functions, as its own summary tells; any other test counts as one. A program that failed
without naming a failed function (a crash, a sanitizer's report at the end) adds one failure.
"""
import json
import re
import sys

SUMMARY = re.compile(r"^\[  (PASSED|FAILED)  \] (\d+) test\(s\)", re.MULTILINE)


def count(test):
    """(passed, failed) of one line of the log."""
    if test["result"] == "SKIP":
        return 0, 0
    found = {"PASSED": 0, "FAILED": 0}
    for word, number in SUMMARY.findall((test.get("stdout") or "") + "\n" + (test.get("stderr") or "")):
        found[word] += int(number)
    passed, failed = found["PASSED"], found["FAILED"]
    if test["result"] in {"OK", "EXPECTEDFAIL"}:
        return max(passed, 1), failed
    return passed, max(failed, 1)


def main():
    try:
        with open(sys.argv[1], encoding="utf-8") as log:
            counts = [count(json.loads(line)) for line in log]
    except FileNotFoundError:
        counts = [(0, 1)]
    print(sum(passed for passed, _ in counts), sum(failed for _, failed in counts))


if __name__ == "__main__":
    main()
