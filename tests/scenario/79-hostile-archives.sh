#!/bin/sh
# Archives made to do harm, by the publicly known patterns: each is imported to
# what it may become, or refused, and restored it leaves nothing outside.
# EVERY=1: also cut and flipped at many places (SEED).
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

mkdir cases
holds 'hostile archives' python3 "$TOOLS/hostile_archives.py" "$B" \
    "$WORK/cases" ${EVERY:+every}
sed 's/^/# /' .holds
finish
