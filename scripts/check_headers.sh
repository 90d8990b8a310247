#!/usr/bin/env bash
# Each public header compiles alone, as C17 and as C++17, with and without the macros that note places, under every
# warning that a strict user may have on. CC and CXX name the compilers; without CXX only C is checked.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
strict="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wundef -Wcast-align -Wcast-qual -Wwrite-strings -Werror"
c="${CC:-cc} -x c -std=c17 $strict -Wstrict-prototypes -Wmissing-prototypes -Wredundant-decls"
cxx="${CXX:+$CXX -x c++ -std=c++17 $strict -Wold-style-cast -Wzero-as-null-pointer-constant}"

checked=0 failed=0
for header in "$top"/include/cotangent/*.h; do
    for compile in "$c" ${cxx:+"$cxx"}; do
        for places in "" -DCT_NO_PLACES; do
            checked=$((checked + 1))
            # shellcheck disable=SC2086  # the compilers and flags are lists of words
            if ! echo "#include <cotangent/${header##*/}>" | $compile $places -I"$top/include" -fsyntax-only -; then
                echo "${header##*/} fails with: $compile $places"
                failed=$((failed + 1))
            fi
        done
    done
done
echo "$checked compilations of headers alone, $failed failed"
[ "$checked" -gt 0 ] && [ "$failed" -eq 0 ]
