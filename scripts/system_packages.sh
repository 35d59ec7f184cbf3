#!/bin/sh
# What Qt and a virtual display need from the system, on Debian and its kin.
#
# Installs what is missing when it may (root), names it otherwise, and never
# fails: on a desktop most of it is there already, and what is not may be unused.
set -u

# "a|b" stands for one library whose package has two names.
WANTED="xvfb xauth libegl1 libgl1 libdbus-1-3 libfontconfig1 \
libglib2.0-0|libglib2.0-0t64 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 \
libxcb-keysyms1 libxcb-shape0"

[ "$(uname -s)" = Linux ] || exit 0

if ! command -v dpkg-query >/dev/null 2>&1; then
    command -v xvfb-run >/dev/null 2>&1 ||
        echo "note: Qt needs EGL, xkbcommon-x11 and the xcb libraries, and a run" \
            "without a display needs xvfb-run (Xvfb). Install them with the" \
            "package manager of this system if the window does not open."
    exit 0
fi

is_installed() {
    dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null | grep -q 'install ok installed'
}

missing=""
for group in $WANTED; do
    found=no
    for name in $(echo "$group" | tr '|' ' '); do
        if is_installed "$name"; then found=yes; fi
    done
    [ "$found" = yes ] || missing="$missing $group"
done

python=${PYTHON:-python3}
if command -v "$python" >/dev/null 2>&1 && ! "$python" -c 'import ensurepip' 2>/dev/null
then
    missing="$missing python3-venv"
fi

[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "note: these system packages are missing:$missing"
    echo "      sudo apt-get install --no-install-recommends$(
        echo "$missing" | sed 's/|[^ ]*//g'
    )"
    exit 0
fi

echo "Installing system packages:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || echo "note: the package lists could not be refreshed"
names=""
for group in $missing; do
    chosen=""
    for name in $(echo "$group" | tr '|' ' '); do
        [ -n "$chosen" ] || ! apt-cache show "$name" >/dev/null 2>&1 || chosen=$name
    done
    names="$names ${chosen:-${group%%|*}}"
done
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $names >/dev/null ||
    echo "note: not all of$names could be installed; going on without"
exit 0
