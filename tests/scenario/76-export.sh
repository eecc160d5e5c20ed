#!/bin/sh
# An export is an archive that GNU tar, bsdtar and Python read alike, whatever
# the locale: the zoo through each of them, and back again.
. "$(dirname "$0")/../support/scenario.sh"

python3 "$TOOLS/zoo.py" zoo >made || { not_ok 'the zoo'; finish; }
rm -rf zoo/many zoo/special/socket # said below
find zoo/times -name '*before' -exec touch -h -d '1960-01-01' {} +
touch -d '2001-01-01' zoo # bsdtar leaves the target's own time alone
chattr -d -S -A zoo/attributes/flag-* 2>/dev/null # GNU tar knows no flags
expect 0 'init' "$B" -r repo init
expect 0 'a backup' "$B" -r repo backup zoo
expect 0 'an export, under LC_ALL=C' env LC_ALL=C "$B" -r repo export \
    "latest:$PWD/zoo" -o zoo.tar
is '... says nothing' "$(cat .err)" ''
is '... takes no room for holes' "$(($(stat -c %s zoo.tar) < 60000000))" 1

mkdir gnu bsd
tar -C gnu --numeric-owner --acls --xattrs '--xattrs-include=*' -xpf zoo.tar \
    2>.err || { not_ok 'GNU tar'; tail -n 3 .err; }
same 'GNU tar reads what was saved' zoo gnu --holes
touch -d '2001-01-01' bsd
bsdtar -C bsd --numeric-owner --acls --xattrs --fflags -xpf zoo.tar 2>.err ||
    { not_ok 'bsdtar'; tail -n 3 .err; }
touch -d '2001-01-01' bsd
same '... bsdtar' zoo bsd --holes
if python3 "$TOOLS/tar_opinion.py" zoo.tar zoo >.out 2>&1; then
	ok "... and Python's tarfile"
else
	not_ok "... and Python's tarfile"; head -n 5 .out
fi
rm -rf gnu bsd

expect 0 'compressed' "$B" -r repo export "latest:$PWD/zoo" -o zoo.tar.zst
is '... the same inside' "$(zstd -dcq zoo.tar.zst | tar -tvf - 2>/dev/null |
    sha256sum)" "$(tar -tvf zoo.tar 2>/dev/null | sha256sum)"
"$B" -r repo export "latest:$PWD/zoo" -o - >piped 2>.err
holds '... and through a pipe' cmp -s piped zoo.tar
expect 0 'a part of it' "$B" -r repo export latest -o part.tar \
    --path "$PWD/zoo/links" --path "$PWD/zoo/sizes/text"
is '... under its whole name' "$(tar -tf part.tar | grep -v /links/)" \
    "${PWD#/}/zoo/sizes/text"

# Only plain names: no tar has anything to say about it.
mkdir plain && echo x >plain/été && ln plain/été plain/two && : >plain/empty
expect 0 'a plain tree' "$B" -r repo backup plain
expect 0 'exported' "$B" -r repo export "latest:$PWD/plain" -o plain.tar
is '... GNU tar says nothing' "$(tar -tf plain.tar 2>&1 | sort | tr '\n' ' ')" \
    './ empty two été '
python3 - <<'END'
import os
os.makedirs("long/" + "/".join(["d" * 250] * 12))
here = os.open("long", os.O_RDONLY)
for _ in range(12):
    here = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
for _ in range(12):                     # 6,000 bytes: beyond PATH_MAX
    os.mkdir("e" * 250, dir_fd=here)
    here = os.open("e" * 250, os.O_RDONLY, dir_fd=here)
os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=here))
END
truncate -s 20G long/big && printf end | dd of=long/big bs=1 seek=9G conv=notrunc 2>/dev/null
expect 0 'a path beyond PATH_MAX, a size beyond 8 GiB' "$B" -r repo backup long
expect 0 '... exported' "$B" -r repo export "latest:$PWD/long" -o long.tar
is '... one tar reads the name' \
    "$(bsdtar -tf long.tar | awk '/leaf$/ { print length($0) }')" 6028
is '... and the size' "$(tar -tvf long.tar 2>/dev/null | awk '/big$/ { print $3 }')" \
    21474836480

# All or nothing.
echo before >kept.tar
find repo/packs -type f -size +1M | while read -r f; do
	chmod u+w "$f"; printf XXXX | dd of="$f" bs=1 seek=500000 conv=notrunc
done 2>/dev/null
expect 4 'of a damaged repository' "$B" -r repo export \
    "latest:local/zoo:$PWD/zoo" -o kept.tar
says 'restore'
is '... the file is as it was' "$(cat kept.tar)" before
is '... and nothing lies about' "$(ls -A | grep -c tmp)" 0
expect 2 'no other compression' "$B" -r repo export latest -o zoo.tar.gz
expect 2 'a place is needed' "$B" -r repo export latest
expect 1 'a folder that is not there' "$B" -r repo export latest -o none/x.tar
expect 0 'a device is written to, not replaced' "$B" -r repo export \
    "latest:local/plain" -o /dev/null
holds '... and is there yet' test -c /dev/null
finish
