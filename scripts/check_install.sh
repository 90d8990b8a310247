#!/usr/bin/env bash
# check_install.sh BUILD: installs a build into a scratch folder and makes programs against it as a user would, with nothing
# but pkg-config: in C and in C++, with the shared library, with the static one, and fully static.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
scratch=$build/check_install
strict=(-O1 -Wall -Wextra -Wpedantic -Werror)

rm -rf "$scratch"
mkdir -p "$scratch"
meson install -C "$build" --no-rebuild --quiet --destdir "$scratch"
pc=$(find "$scratch" -name cotangent.pc)
prefix=$scratch$(sed -n 's/^prefix=//p' "$pc")
export PKG_CONFIG_PATH=${pc%/*}
library=$(cd "${pc%/*}/.." && pwd)
package() { pkg-config --define-variable=prefix="${prefix// /\\ }" "$@" cotangent; }

# try NAME COMPILER WORDS...: the compiler makes $scratch/NAME of them, which is run then.
try() {
    local name=$1
    shift
    "$@" -o "$scratch/$name"
    LD_LIBRARY_PATH=$library "$scratch/$name" || { echo "$name does not run"; exit 1; }
    echo "$name runs"
}

shared=() static=() # pkg-config escapes its words for the shell
eval "shared=($(package --cflags --libs))"
eval "static=($(package --static --cflags --libs))"
by_name=("${static[@]/#-lcotangent/-l:libcotangent.a}")
read -ra cc <<<"${CC:-cc}"
read -ra cxx <<<"${CXX:-}"

c=("${cc[@]}" -std=c17 "${strict[@]}" "$top/tests/consumer/consumer.c")
try shared_c "${c[@]}" "${shared[@]}"
if [ "$(uname)" = Linux ]; then
    try static_c "${c[@]}" "${by_name[@]}"
    # Not every compiler has OpenMP and the C library for that (clang on Debian has not).
    if echo 'int main(void) { return 0; }' | "${cc[@]}" -x c -static -fopenmp -o "$scratch/probe" - 2>/dev/null; then
        try fully_static_c "${c[@]}" -static "${static[@]}"
    fi
fi
if [ ${#cxx[@]} -gt 0 ]; then
    c=("${cxx[@]}" -std=c++17 "${strict[@]}" -Wold-style-cast "$top/tests/consumer/consumer.cc")
    try shared_cxx "${c[@]}" "${shared[@]}"
    if [ "$(uname)" = Linux ]; then try static_cxx "${c[@]}" "${by_name[@]}"; fi
fi

# What the library itself needs is found without any path set.
if command -v ldd >/dev/null && LD_LIBRARY_PATH=$library ldd "$scratch/shared_c" | grep 'not found'; then exit 1; fi
if [ "$(package --modversion)" != "$(sed -n 's/^#define CT_VERSION "\(.*\)"/\1/p' "$top/include/cotangent/base.h")" ]; then
    echo "pkg-config and the header tell different versions"
    exit 1
fi
