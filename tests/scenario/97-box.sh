#!/bin/sh
# The battle box: made by a site, recorded, judged, found out when it was
# changed; and on a machine that has nothing but a shell, a box, a copy of the
# repository and two shares, the service's data come back.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

mkdir data && seq 20000 >data/numbers && mkdir data/sub && echo text >data/sub/file
ln -s nowhere data/link
site_new brent
(umask 077; { shared_policy; service_policy housing "$RARELY"; } >shared.conf)
holds "a daemon" daemon_start brent || finish
expect 0 'a backup' at brent run housing --wait
repo=$WORK/brent/repository
export BASCULE_KEY_FILE=$WORK/brent/key
expect 0 'shares' "$B" -r "$repo" key split -k 2 -n 3
share=$WORK/brent/key.escrow.share

# --- made
conf=$WORK/brent/bascule.conf
expect 0 'a box' at brent box make -o box.tar --policy "$conf"
says 'SHA-256' 'signed by SHA256:' 'recorded in the ledger of site brent'
signer=$(sed -n 's/.*signed by \(SHA256:[^ ]*\).*/\1/p' .out | head -1)
sum=$(sed -n 's/^SHA-256 //p' .out)
is 'its sum' "$sum" "$(sha256sum box.tar | cut -d' ' -f1)"
expect 0 'the ledger has it' at brent --json events --type box
says "$sum"
expect 0 'sound' "$B" box verify box.tar --key "$signer"
says 'sound' 'as you asked'
expect 4 'of another' "$B" box verify box.tar --key SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
says 'signed by another key'
expect 2 'no place' at brent box make --policy "$conf"
expect 0 'JSON' "$B" --json box verify box.tar
is '... says so' "$(field sound)" true

# --- changed
for word in numbers-of-nothing 'BATTLE BOX' '^service'; do
	python3 - "$word" <<'END'
import re, sys
b = bytearray(open("box.tar", "rb").read())
m = re.search(sys.argv[1].encode(), b, re.M)
if m: b[m.start() + 1] ^= 1
else: b[len(b) // 2] ^= 1
open("bad.tar", "wb").write(b)
END
	expect 4 "a flipped bit ($word)" "$B" box verify bad.tar
	says 'NOT GOOD'
done
head -c 1000000 box.tar >cut.tar
expect 4 'half a box' "$B" box verify cut.tar
again() { # what is in open, in the box's own order
	tar -tf box.tar | while read -r name; do
		[ -e "open/$name" ] && echo "$name"
	done | tar -C open --format=pax -cf bad.tar -T -
}
mkdir open && tar -C open -xf box.tar
folder=$(ls open)
holds 'sha256sum agrees' sh -c "cd open/$folder && sha256sum --quiet -c SHA256SUMS"
echo x >>"open/$folder/RUNBOOK.txt"
again
expect 4 'an altered runbook' "$B" box verify bad.tar
says 'RUNBOOK.txt'
rm -rf open && mkdir open && tar -C open -xf box.tar
rm "open/$folder/HEADS.txt" && again
expect 4 'one that lacks a file' "$B" box verify bad.tar
rm -rf open && mkdir open && tar -C open -xf box.tar
sed -i 's/^format 1/format 2/' "open/$folder/BOX.txt" && again
expect 16 'a newer one' "$B" box verify bad.tar
rm -rf open && mkdir open && tar -C open -xf box.tar
holds 'it has the head' grep -q "^brent [0-9]* .*$signer" "open/$folder/HEADS.txt"
holds 'no key is in it' sh -c "! grep -aq 'PRIVATE\|bascule-escrow\|BKey' open/$folder/policies/* open/$folder/*.txt"
holds 'the runbook says how' grep -q 'restore latest:housing/tree' "open/$folder/RUNBOOK.txt"
daemon_stop brent
unset BASCULE_SOCKET BASCULE_KEY_FILE
expect 0 'without a daemon' "$B" box make -o late.tar --policy "$conf"
says 'no ledger knows'

# --- a machine with a shell and nothing else
mkdir jail jail/bin && tar -C jail -xf box.tar && mv "jail/$folder" jail/box
cp -a "$repo" jail/store && cp $share-1 $share-3 jail
shell=$(readlink -f /bin/sh) && cp "$shell" jail/bin/sh
for l in $(ldd "$shell" | grep -o '/[^ ]*'); do
	mkdir -p "jail$(dirname "$l")" && cp -L "$l" "jail$l"
done
PATH=$PATH:/usr/sbin
alone() {
	[ "$(id -u)" = 0 ] && how=-n || how=-rn
	env -u HOME -u BASCULE_STATE_DIR unshare $how chroot "$WORK/jail" /bin/sh -c "$*"
}
if alone true >.out 2>&1; then
	expect 0 'the program runs there' alone /box/bascule version
	expect 0 'the key from two shares' alone /box/bascule key combine -o key \
	    key.escrow.share-1 key.escrow.share-3
	expect 0 'the data come back' alone BASCULE_KEY_FILE=key /box/bascule \
	    -r store restore latest:housing/tree --to out
	back=$(find jail/out -name numbers -printf '%h\n')
	same '... as they were' data "$back"
else
	skip 'the empty machine' "$(head -n 1 .out)"
fi
finish
