#!/bin/sh
# Install the Debian packages that are missing: packages.sh build [test] [browser] [mpi] [trace] [fuzz] [lint]
set -eu
want=
for kind in "$@"; do
    case $kind in
    build) want="$want pkg-config libcjson-dev libyaml-dev libpcre2-dev libutf8proc-dev libssl-dev zlib1g-dev libsqlite3-dev libopenblas-dev" ;;
    test) want="$want libcmocka-dev clang-14 clang-format-14 libasan8 libubsan1" ;;
    browser) want="$want chromium" ;;
    mpi) want="$want libopenmpi-dev openmpi-bin" ;;
    trace) want="$want strace" ;;
    fuzz) want="$want libclang-rt-14-dev" ;;
    *) echo "packages.sh: unknown kind $kind" >&2; exit 2 ;;
    esac
done
missing=
for p in $want; do
    dpkg-query -W -f='${Status}\n' "$p" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "pare needs these Debian packages, and there is no sudo to install them:$missing" >&2; exit 1; }
    sudo=sudo
fi
echo "pare: installing Debian packages:$missing" >&2
$sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2
# shellcheck disable=SC2086  # a list of words
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
