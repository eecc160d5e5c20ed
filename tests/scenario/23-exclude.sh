#!/bin/sh
# What is left out: patterns judged against git's own, caches by their tag,
# other file systems.  ROUNDS sets of patterns from SEED.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
expect 0 'init' "$B" -r repo init
list() { find "$1" -mindepth 1 -printf '%P\n' | LC_ALL=C sort | tr '\n' ' '; }

if command -v git >/dev/null; then
	holds "${ROUNDS:-12} sets of patterns, as git check-ignore has it (SEED=$SEED)" \
	    python3 "$TOOLS/ignore_opinion.py" "$B" "$SEED" "${ROUNDS:-12}"
	sed 's/^/# /' .holds
else
	skip 'what git says of patterns' 'no git here'
fi
mkdir src; echo 1 >src/a; echo 2 >src/b
printf '# a comment\n\n   \n/a   \n' >patterns
expect 0 'comments and blanks in a file of patterns' "$B" -r repo backup --dataset p \
    --exclude-file patterns src
expect 0 '... restored' "$B" -r repo restore "latest:local/p:$PWD/src" --to out
is '... only what it names is left out' "$(list out)" 'b '
for bad in '[a' 'a\' 'a//b'; do
	expect 2 "a pattern that makes no sense: $bad" "$B" -r repo backup --exclude "$bad" src
	says 'makes no sense'
done

# --- caches
mkdir -p src/cache/sub src/almost src/linked
printf 'Signature: 8a477f597d28d172789f06886806bc55 and more' >src/cache/CACHEDIR.TAG
printf 'Signature: 8a477f597d28d172789f06886806bc54' >src/almost/CACHEDIR.TAG
ln -s ../cache/CACHEDIR.TAG src/linked/CACHEDIR.TAG
for d in cache cache/sub almost linked; do echo x >src/$d/f; done
expect 0 'a cache, tagged' "$B" -r repo backup --dataset c --exclude-caches src
expect 0 '... restored' "$B" -r repo restore "latest:local/c:$PWD/src" --to out2
is '... keeps itself and its tag, others everything' "$(list out2)" \
    'a almost almost/CACHEDIR.TAG almost/f b cache cache/CACHEDIR.TAG linked linked/CACHEDIR.TAG linked/f '
expect 0 'without being asked' "$B" -r repo backup --dataset c2 src
expect 0 '... restored' "$B" -r repo restore "latest:local/c2:$PWD/src" --to out3
same '... all of it' src out3

# --- other file systems, also the same one bound elsewhere
mkdir -p mounted/here mounted/other mounted/bound mounted/file.d elsewhere
echo 1 >mounted/here/f; echo 2 >elsewhere/secret; echo 3 >mounted/file.d/f
unshare -m${rootless:+r} true 2>/dev/null || rootless=1
if unshare -m${rootless:+r} sh -c '
	mount -t tmpfs none mounted/other && echo 4 >mounted/other/f &&
	    mount --bind elsewhere mounted/bound || exit 77
	"$B" -r repo backup --dataset m --one-file-system mounted || exit
	"$B" -r repo backup --dataset m2 --one-file-system mounted mounted/other || exit
	"$B" -r repo backup --dataset m3 mounted' >.out 2>.err; then
	ok 'backups of a tree with mounts'
	for n in '' 2 3; do
		"$B" -r repo restore "latest:local/m$n:$PWD/mounted" --to "m$n" >/dev/null 2>&1
	done
	is '--one-file-system: mount points, empty, and no bind mount' "$(list m)" \
	    'bound file.d file.d/f here here/f other '
	is '... but what is named itself' "$(list m2)" \
	    'bound file.d file.d/f here here/f other other/f '
	is 'without it all' "$(list m3)" \
	    'bound bound/secret file.d file.d/f here here/f other other/f '
else
	skip 'mounts' "$(tail -n 1 .err)"
fi
finish
