# shellcheck shell=bash
# setup.sh - what ./run and ./test share: installing what is missing, configuring, building. To be sourced, at the top folder.
#
# Nothing is asked of apt when nothing is missing, so that a second start is quick.

# Whether what a Debian package brings is there, wherever it came from.
have() {
    case $1 in
        ninja-build) command -v ninja ;;
        libblis-openmp-dev)
            pkg-config --exists blis || compgen -G '/usr/include/*/blis-openmp/blis.h' || [ -e /usr/include/blis/blis.h ]
            ;;
        zlib1g-dev) pkg-config --exists zlib ;;
        libcmocka-dev) pkg-config --exists cmocka ;;
        libomp-dev) echo '#include <omp.h>' | clang -fopenmp -fsyntax-only -x c - ;;
        dataset-fashion-mnist) [ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ] ;;
        *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

# Sets `missing` to those of the packages that are not there.
find_missing() {
    missing=()
    local package
    for package in "$@"; do
        have "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ]
}

# apt-get as root, by sudo where that is needed; fails where neither is possible.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        return 1
    fi
}

apt_install() {
    command -v apt-get >/dev/null || return 1
    local install=(apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$@")
    echo "Installing $* with apt."
    # Package lists may be absent or too old for what they name: they are fetched only then.
    as_root "${install[@]}" >/dev/null 2>&1 && return
    as_root apt-get update -qq && as_root "${install[@]}" >/dev/null
}

# Packages without which nothing works: installs them or says what to install and ends.
require() {
    find_missing "$@" || return 0
    apt_install "${missing[@]}"
    find_missing "$@" || return 0
    cat >&2 <<END
Missing: ${missing[*]}
These are Debian's names; as root: apt-get install ${missing[*]}
Fedora: dnf install gcc gcc-c++ clang libomp-devel meson pkgconf blis-devel zlib-devel libcmocka-devel valgrind
macOS: brew install meson pkgconf blis libomp zlib cmocka
END
    exit 1
}

# Packages that may stay away: tried once, and remembered in the build folder when that fails.
wish() {
    find_missing "$@" || return 0
    local tried="build/.tried-${missing[*]}"
    tried=${tried// /-}
    [ ! -e "$tried" ] || return 1
    apt_install "${missing[@]}" 2>/dev/null || true
    find_missing "$@" || return 0
    echo "Not available here: ${missing[*]}"
    mkdir -p build && touch "$tried"
    return 1
}

# build FOLDER TARGETS -- OPTIONS: configures the folder where that is not done, and builds; silent unless something fails.
build() {
    local folder=$1 targets=()
    shift
    while [ "$1" != -- ]; do targets+=("$1") && shift; done
    shift
    if [ ! -e "$folder/build.ninja" ]; then
        mkdir -p "$folder"
        meson setup "$folder" "$@" >"$folder/setup.log" 2>&1 || { cat "$folder/setup.log" && return 1; }
    fi
    ninja -C "$folder" --quiet "${targets[@]}"
}
