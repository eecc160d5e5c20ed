#!/bin/sh
# Shares: any two of three, the repository and the program are enough to restore
# everything; one is nothing; and a reader of another language agrees.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

mkdir src && seq 100000 >src/numbers && head -c 2000000 /dev/urandom >src/noise
"$B" -r repo init >.out 2>&1
"$B" -r repo backup src >.out
expect 0 'split' "$B" -r repo key split -k 2 -n 3
says 'share  1 of 3' 'repo.key.escrow.share-3'
is '... private' "$(stat -c %a repo.key.escrow.share-*| tr '\n' ' ')" '600 600 600 '
expect 1 '... never written over' "$B" -r repo key split -k 2 -n 3
is '... the first set is whole' "$(ls repo.key.escrow.share-* | wc -l)" 3
touch taken.share-2
expect 1 'half a set is none' "$B" key split -k 2 -n 3 -o taken repo.key
is '... nothing of it is left' "$(ls taken.share-*)" taken.share-2
expect 0 'in JSON' "$B" --json key split -k 3 -n 5 -o other repo.key
for bad in '-k 1 -n 3' '-k 4 -n 3' '-k 2 -n 17' '-k 2' '-n 3' '-k x -n 3'; do
	# shellcheck disable=SC2086
	expect 2 "split $bad" "$B" key split $bad -o none repo.key
done
expect 2 'split what?' "$B" key split -k 2 -n 3
expect 2 'combine into what?' "$B" key combine repo.key.escrow.share-1
expect 12 'split a lost key' "$B" key split -k 2 -n 3 nowhere

# --- a machine that has only two shares, the repository and the program
for pair in '1 2' '1 3' '3 2'; do
	there=there-$(echo "$pair" | tr ' ' -)
	mkdir "$there" "$there/home"
	cp -a repo "$there/store"
	for i in $pair; do
		grep -v '^#' repo.key.escrow.share-$i | tr 'A-Z' 'a-z' |
		    sed 's/  */ /g' >"$there/typed-$i"
	done
	cp "$B" "$there/bascule"
	(
		cd "$there" && set -- $pair
		export HOME="$PWD/home"
		unset BASCULE_STATE_DIR
		./bascule key combine -o found.key "typed-$1" "typed-$2" &&
		    BASCULE_KEY_FILE=found.key ./bascule -r store check --open &&
		    BASCULE_KEY_FILE=found.key ./bascule -r store restore latest --to out
	) >.out 2>&1
	is "shares $pair: restored" $? 0
	same '... everything' src "$there/out$PWD/src"
	is '... the very key' "$(cmp "$there/found.key" repo.key.escrow && stat -c %a "$there/found.key")" 600
done

# --- and what is not enough, or not right
expect 12 'one share' "$B" key combine -o x repo.key.escrow.share-1; says 'not enough'
fails '... makes nothing' test -e x
expect 12 'one twice' "$B" key combine -o x repo.key.escrow.share-1 repo.key.escrow.share-1
says 'twice'
expect 12 'of two sets' "$B" key combine -o x repo.key.escrow.share-1 other.share-2; says 'set'
expect 12 'two of five, where three are needed' "$B" key combine -o x other.share-1 other.share-2
expect 0 'three of five' "$B" key combine -o three other.share-5 other.share-2 other.share-3
is '... are the operations key' "$(cmp three repo.key && echo same)" same
sed '10s/\(....\) *$/0000/' repo.key.escrow.share-2 >slip
expect 12 'a slip' "$B" key combine -o x repo.key.escrow.share-1 slip; says 'slip' 'line 3'
sed 11d repo.key.escrow.share-2 >slip
expect 12 'a line left out' "$B" key combine -o x repo.key.escrow.share-1 slip; says 'line 4'
sed '$d' repo.key.escrow.share-2 >slip
expect 12 'the last left out' "$B" key combine -o x repo.key.escrow.share-1 slip; says 'cut short'
expect 12 'a share that is not there' "$B" key combine -o x repo.key.escrow.share-1 nowhere; says nowhere
expect 12 'a key file for a share' "$B" key combine -o x repo.key.escrow.share-1 repo.key
says 'BASCULE-SHARE'
expect 1 'a key file is never overwritten' "$B" key combine -o repo.key repo.key.escrow.share-1 repo.key.escrow.share-2
(umask 077; echo passphrase >pass)
BASCULE_PASSPHRASE_FILE=pass expect 0 'wrapped at once' "$B" key combine -o wrapped repo.key.escrow.share-1 repo.key.escrow.share-2
expect 12 '... is wrapped' "$B" key show wrapped

# --- the drill: they still open it
expect 0 'canary: two shares' "$B" -r repo key canary repo.key.escrow.share-3 repo.key.escrow.share-1
says 'proved: it opens 1 of 1' 'recorded in'
expect 0 '... the escrow key' "$B" -r repo --json key canary --key-file repo.key.escrow
expect 12 '... one share' "$B" -r repo key canary repo.key.escrow.share-1
"$B" -r foreign init >.out 2>&1
BASCULE_KEY_FILE=foreign.key expect 12 'shares of a foreign key' "$B" -r repo key split -k 2 -n 3
says foreign.key family
fails '... there are none' test -e foreign.key.escrow.share-1
expect 12 '... of another family' "$B" -r foreign key canary repo.key.escrow.share-1 repo.key.escrow.share-2
expect 1 '... of nothing' "$B" -r foreign key canary; says 'nothing is proved'
"$B" -r repo key new --role write host.key >.out 2>&1
expect 12 '... a key that cannot read' "$B" -r repo key canary --key-file host.key
"$B" key new --role read --from repo.key late.key >.out 2>&1
expect 12 '... one it is closed to' "$B" -r repo key canary --key-file late.key
says 'NOT PROVED' 'does not open'
is '... each is on record, and its outcome' "$(sed -n 's/.*"proved":\([a-z]*\).*/\1/p' state/canary-* | tr '\n' ' ')" 'true true false '
is '... the made key is nowhere' "$(grep -rl Bascule state | head -n 1)" ''
for p in repo/packs/*/*; do bend "$p" 200; done
expect 12 '... damaged packs' "$B" -r repo key canary --key-file repo.key.escrow

# --- docs/format/keys.md is enough to do it by hand
cat >by_hand.py <<'EOF'
import hashlib, struct, sys
DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
def bits_of(text): return ''.join(format(DIGITS.index(c), '05b') for c in text)
def read(path):
    lines = [l.split() for l in open(path) if not l.startswith('#')]
    assert lines[0] == ['BASCULE-SHARE']
    blob = b''
    for n, l in enumerate(lines[1:], 1):
        assert int(l[0]) == n
        bits = bits_of(''.join(l[1:-1]))
        part = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits) - 7, 8))
        h = hashlib.sha256(b'bascule share line v1\0' + struct.pack('<H', n) + part)
        assert format(int.from_bytes(h.digest()[:3], 'big'), '024b')[:20] == bits_of(l[-1])
        blob += part
    version, k, n, x, name, length, zero = struct.unpack_from('<BBBB8sHH', blob)
    assert (version, zero, len(blob)) == (1, 0, 20 + length)
    assert hashlib.sha256(blob[:-4]).digest()[:4] == blob[-4:]
    return x, blob[16:-4]
def mul(a, b):
    r = 0
    while b:
        if b & 1: r ^= a
        a = a << 1 ^ (0x11d if a & 0x80 else 0)
        b >>= 1
    return r
def div(a, b): return next(q for q in range(256) if mul(q, b) == a)
shares = [read(p) for p in sys.argv[2:]]
key = bytearray(len(shares[0][1]))
for x, part in shares:
    c = 1
    for y, _ in shares:
        if y != x: c = mul(c, div(y, x ^ y))
    for i, b in enumerate(part): key[i] ^= mul(b, c)
assert hashlib.sha256(key[:-16]).digest()[:16] == key[-16:]
f = open(sys.argv[1], 'rb').read()
assert key[:16] == f[16:32] and key[16:20] == f[40:44] and key[20:-16] == f[104:-32]
EOF
holds 'by hand: two' python3 by_hand.py repo.key.escrow repo.key.escrow.share-1 repo.key.escrow.share-3
holds '... three of five' python3 by_hand.py repo.key other.share-1 other.share-4 other.share-5
fails '... one is nothing' python3 by_hand.py repo.key.escrow repo.key.escrow.share-2
finish
