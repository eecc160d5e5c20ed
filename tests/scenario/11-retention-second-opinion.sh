#!/bin/sh
# Random years of retention, compared with a second implementation in Python.
# HISTORIES: 12, or what make torture says; SEED repeats one.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

[ -e "$BUILD/libbascule.a" ] || make -s "$BUILD/libbascule.a"
${CC:-cc} -std=gnu11 -D_GNU_SOURCE -Iinclude ${SAN:+-fsanitize=$SAN} -o "$work/dump" \
    tests/tools/retain_dump.c "$BUILD/libbascule.a"
SEED=${SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
echo "# SEED=$SEED"
python3 tests/tools/retain_opinion.py "$work/dump" "${HISTORIES:-12}" "$SEED"
