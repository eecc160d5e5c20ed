#!/bin/sh
# Archives of others become snapshots: equal in what their format holds, and
# hostile ones lead nowhere.
. "$(dirname "$0")/../support/scenario.sh"

python3 "$TOOLS/zoo.py" zoo >made || { not_ok 'the zoo'; finish; }
rm -rf zoo/many zoo/special/socket zoo/sparse/huge
find zoo/times -name '*before' -exec touch -h -d '1960-01-01' {} +
expect 0 'init' "$B" -r repo init
expect 0 'a backup' "$B" -r repo backup zoo
expect 0 'its export' "$B" -r repo export "latest:$PWD/zoo" -o zoo.tar
expect 0 'imported' "$B" -r repo import zoo.tar
expect 0 '... exported again' "$B" -r repo export latest:local/zoo.tar -o two.tar
holds '... is the same, byte for byte' cmp -s zoo.tar two.tar
expect 0 '... restored' "$B" -r repo restore latest:local/zoo.tar --to out
touch -r zoo out
same '... is what was saved' zoo out --holes
rm -rf out
bsdtar -C zoo --format pax -cf bsd.tar . 2>/dev/null
expect 0 "bsdtar's" "$B" -r repo import --service bsd bsd.tar
expect 0 '... restored' "$B" -r repo restore latest:bsd --to out
touch -r zoo out
same '... is what was saved' zoo out --holes
rm -rf out plain
# What is long was there in zoo.tar: compressing it is no work of ours.
cp -r zoo/sizes plain; rm plain/*-9437184 plain/*-3333333
echo x >plain/één; mkdir plain/sub; ln plain/text plain/sub/link
ln -s ../text plain/sub/symbolic; chmod 2751 plain/sub; chmod 640 plain/text
[ "$(id -u)" = 0 ] && chown -h 12345:54321 plain/één plain/sub/symbolic
find plain -exec touch -h -d '2020-02-02 02:02:02' {} +; touch -d 1999-12-31 plain/text

# Made by the usual programs, imported, exported, unpacked: equal in what the
# format holds.
there_and_back() { # name, what it holds, command that makes the archive "$1"
	kind=$1 facts=$2; shift 2
	# Under C bsdtar writes other names into a 7z than it is given.
	if ! (cd plain && LC_ALL=C.UTF-8 && "$@" >"$WORK/in.$kind" 2>"$WORK/.err"); then
		skip "$kind" "$(head -n 1 .err)"
		return
	fi
	expect 0 "$kind" "$B" -r repo import --service "$kind" "in.$kind"
	expect 0 '... exported' "$B" -r repo export "latest:$kind" -o out.tar
	mkdir out && tar -C out --numeric-owner -xpf out.tar 2>/dev/null
	[ "$(id -u)" = 0 ] || facts=$(echo "$facts" | sed 's/owner//')
	# shellcheck disable=SC2086
	holds "... is what was there" python3 "$TOOLS/same_facts.py" plain out $facts
	rm -rf out
}
listed() { find . | LC_ALL=C sort; }
by_cpio() { listed | bsdcpio --quiet -o -H "$1"; }
for format in gnu pax ustar oldgnu; do
	there_and_back "gnutar-$format" 'owner links' tar --format=$format \
	    --numeric-owner -cf - .
done
there_and_back bsdtar-ustar 'owner links' bsdtar --format ustar -cf - .
there_and_back bsdtar-xz 'owner links' bsdtar --format pax \
    --options xz:compression-level=1 -cJf - .
there_and_back newc 'owner links' by_cpio newc
there_and_back odc 'owner links' by_cpio odc
there_and_back zip 'owner' bsdtar --format zip -cf - .
there_and_back info-zip 'owner' zip -qry - .
there_and_back 7z '' bsdtar --format 7zip --options 7zip:compression-level=1 -cf - .
expect 0 'cpio, from a pipe' sh -c '"$B" -r repo import - --service pipe <in.newc'
expect 0 'below a path, compressed, dry' sh -c 'gzip -c bsd.tar >bsd.tgz &&
    "$B" -r repo import --dry-run --under /srv/x bsd.tgz'
says 'would import bsd.tgz: '
is '... not what would be new: that is not read' "$(grep -c 'new\|stored' .out)" 0

# Too much (names and links: 79-hostile-archives).
python3 - <<'END'
import tarfile
t = tarfile.TarInfo("bomb"); t.size = 40 << 30
with open("head", "wb") as f: f.write(t.tobuf())
END
(cat head; head -c 1150000000 /dev/zero) | zstd -qc -3 >bomb.tar.zst
expect 15 "a bomb is refused" "$B" -r repo import --dry-run bomb.tar.zst
says 'max-size'
expect 15 'more than was allowed' "$B" -r repo import --max-size 100KiB zoo.tar
expect 15 'too many entries' "$B" -r repo import --max-entries 3 zoo.tar
expect 1 'no archive' "$B" -r repo import "$TOOLS/zoo.py"
head -c 300000 zoo.tar >cut.tar
expect 1 'half an archive' "$B" -r repo import --service half cut.tar
expect 1 '... makes no snapshot' "$B" -r repo ls latest:half
expect 1 'a directory' "$B" -r repo import plain
expect 0 'check --open' "$B" -r repo check --open
finish
