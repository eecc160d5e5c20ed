#!/bin/sh
# Snapshots that somebody forged who has the keys: names that lead out, claims
# of 1e9 entries, kinds, sizes and groups that cannot be.  No command that reads
# a tree ends by a signal, hangs, or takes more memory than it may; mounted they
# give EIO for what is damaged and no privilege.  EVERY=1: every command.
. "$(dirname "$0")/../support/mounts.sh"
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

# shellcheck disable=SC2046
if ! (cd "$TOP" && ${CC:-cc} -std=gnu11 -D_GNU_SOURCE -Iinclude \
    ${SAN:+-fsanitize=$SAN} -o "$WORK/forge" tests/tools/forge.c \
    "$BUILD/libbascule.a" -pthread $(pkg-config --libs libssh2 libarchive \
    libzstd libconfig openssl sqlite3 libuv jansson libgfshare fuse3)); then
	not_ok 'the forge'
	finish
fi
mkdir scenes
holds 'hostile trees' python3 "$TOOLS/hostile_trees.py" "$B" "$WORK/forge" \
    "$WORK/scenes" ${EVERY:+every}
sed 's/^/# /' .holds
umount -l "$WORK/scenes/at" 2>/dev/null
finish
