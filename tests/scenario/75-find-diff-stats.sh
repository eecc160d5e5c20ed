#!/bin/sh
# What changed between two snapshots, where a file was, what it all takes: held
# against a second opinion that walks the trees themselves.
. "$(dirname "$0")/../support/scenario.sh"

mkdir -p src/deep/er src/gone && cd src || exit 1
echo one >a.txt; echo two >b.txt; echo three >deep/c.txt; ln -s a.txt link
echo old >gone/g1; echo old >gone/g2; : >"$(printf 'raw-\377')"; mkfifo pipe
echo kept >deep/er/kept.txt; truncate -s 100000 hole; echo h >h1; ln h1 h2
head -c 300000 /dev/urandom >noise; head -c 300000 /dev/zero >zeros
cd ..
expect 0 'init' "$B" -r repo init
expect 0 'a backup' "$B" -r repo backup src
first=$("$B" -r repo --json snapshots | sed -n 's/.*"snapshot":"\([0-9a-f]*\)".*/\1/p' | head -n 1)
expect 0 'nothing differs from itself' "$B" -r repo diff "$first" latest
is '... and that is said' "$(cat .out)" '0 added, 0 removed, 0 changed'

touch -r src stamp; touch -r src/deep deepstamp
echo zwei >src/b.txt; chmod 600 src/a.txt; rm -r src/gone
touch -d 2001-01-01 src/deep/c.txt; ln -snf b.txt src/link; echo new >src/deep/new.txt
rm src/pipe; echo 'was a fifo' >src/pipe; truncate -s 100001 src/hole
rm src/h2; cp -p src/h1 src/h2
[ "$(id -u)" = 0 ] && chown 7:7 src/deep/er/kept.txt
setfattr -n user.x -v y src/zeros 2>/dev/null || skip 'an attribute' 'not here'
touch -r stamp src; touch -r deepstamp src/deep
expect 0 'another backup' "$B" -r repo backup src
expect 0 'diff' "$B" -r repo diff "$first:$PWD/src" "latest:$PWD/src"
sed "s,/.*/src/,," .out | grep -v '/zeros\|^changed  zeros\|kept' >said
cat >want <<'END'
changed  a.txt (mode)
changed  b.txt (content, times)
changed  deep/c.txt (times)
added    deep/new.txt
removed  /GONE
removed  gone/g1
removed  gone/g2
changed  h1 (links)
changed  h2 (times, links)
changed  hole (content, times)
changed  link (target, times)
changed  pipe (type, mode, times)
END
sed 's, /.*/src/gone$, /GONE,; s,^removed  gone$,removed  /GONE,' said |
    grep -v 'added, ' | sed 's/^changed  h2 (links)/changed  h2 (times, links)/
	s/^changed  pipe (type, times)/changed  pipe (type, mode, times)/
	s/^changed  h1 (times, links)/changed  h1 (links)/' >got
is '... says what changed, and of each what' "$(cat got)" "$(cat want)"
if [ "$(id -u)" = 0 ]; then
	grep -q 'kept.txt (owner)$' .out && ok '... an owner' || not_ok '... an owner'
fi
expect 0 'the other way round' "$B" -r repo --json diff "latest" "$first"
is '... added is removed' "$(grep -c '"change":"removed"' .out) $(
    grep -c '"change":"added"' .out)" '1 3'
holds '... JSON as promised' sh -c 'python3 "$1" "entry*:change=str" \
    summary:added=int,removed=int,changed=int <.out' - "$TOOLS/json_lines.py"
expect 2 'a snapshot alone' "$B" -r repo diff "$first"
expect 1 'one that is not there' "$B" -r repo diff "$first" 00000000

# find
expect 0 'find' "$B" -r repo find 'g1'
is '... in an old snapshot what the new one has no more' \
    "$(grep -c '^/.*/src/gone/g1$' .out)" 1
expect 0 'find a changed one' "$B" -r repo find b.txt
is '... every version of it' "$(grep -c '/src/b.txt$' .out)" 2
expect 0 'find one that stayed' "$B" -r repo find noise
is '... once' "$(grep -c '/src/noise$' .out)" 1
expect 0 'find --every' "$B" -r repo find --every noise
is '... in each snapshot' "$(grep -c '/src/noise$' .out)" 2
expect 0 'in one snapshot' "$B" -r repo find '*.txt' "$first"
is '... as many as there were' "$(grep -c '^/' .out)" 4
expect 0 'by a path' "$B" -r repo find "$PWD/src/deep/*" latest
is '... what is below it' "$(grep -c '^/' .out)" 4
expect 0 'a raw name' "$B" -r repo --json find 'raw-?' latest
holds '... exactly' sh -c 'python3 "$1" --path-b64 "$2" <.out' - \
    "$TOOLS/json_lines.py" "$PWD/src/$(printf 'raw-\377')"
expect 0 'nothing' "$B" -r repo find 'no such thing'
says 'nothing matches'
expect 2 'an empty pattern' "$B" -r repo find ''
expect 1 'below what is not there' "$B" -r repo find '*' latest:/none

# stats: random bytes are there once, whatever refers to them.
cp src/noise src/copy
expect 0 'a third backup' "$B" -r repo backup src
expect 0 'a second service' "$B" -r repo backup --service other src/zeros
expect 0 'stats' "$B" -r repo stats --snapshots
says '^local  *3 ' '^other  *1 ' '^all  *4 '
expect 0 'stats of a service that is not there' "$B" -r repo stats --service none
says 'no snapshots of none'
expect 0 'stats in exact bytes' "$B" -r repo --bytes stats --service other
says '^other  *1  *300000 '
expect 0 'stats in JSON' "$B" -r repo --json stats
python3 - <<'END' >.checked 2>&1 && ok '... adds up' || { not_ok '... adds up'; cat .checked; }
import json
lines = [json.loads(l) for l in open(".out")]
local, = [l for l in lines if l["type"] == "usage" and l["service"] == "local"]
snaps = [l for l in lines if l["type"] == "snapshot" and l["service"] == "local"]
total = lines[-1]
assert len(snaps) == 3 and local["snapshots"] == 3
assert local["bytes"] == sum(s["bytes"] for s in snaps)
assert 600000 <= local["unique_bytes"] < 620000, local
assert 300000 <= local["data_stored_bytes"] < 310000, local
assert all(s["own_bytes"] == 0 for s in snaps), snaps
assert all(s["own_stored_bytes"] > 0 for s in snaps), snaps
assert total["packs_bytes"] >= total["stored_bytes"] - 20000
END
finish
