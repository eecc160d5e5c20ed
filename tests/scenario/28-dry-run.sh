#!/bin/sh
# What `restore --dry-run` tells is what the restore then does, over trees that
# were spoiled in random ways.  ROUNDS trees from SEED, five ways each.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
expect 0 'init' "$B" -r repo init
holds "${ROUNDS:-8} trees, restored over (SEED=$SEED)" \
    python3 "$TOOLS/dry_opinion.py" "$B" "$SEED" "${ROUNDS:-8}"
sed 's/^/# /' .holds
finish
