#!/bin/sh
# A tree of many files on another host, over SFTP: its backup killed -9 half way,
# cancelled, and its daemon killed -9; then it is done.  What was stored is not
# stored again, what a checkpoint has is not read again, what is restored is what
# is there, and a run when nothing changed reads no file.  FILES=100000: the size
# it is for (make torture).
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/sshd.sh"

FILES=${FILES:-2000}
server=$(sshd_sftp)
# Which files it is asked for is written down, in `asked`; when that has so many as
# `gate` says (0: any number) the server stands still, until it says otherwise.
cat >serve <<END
#!/bin/sh
exec $server -e -l INFO 2>>$WORK/calls
END
chmod +x serve
mkfifo calls
echo 0 >gate
: >asked
python3 - <<'END' &
import fcntl, os, time
calls = os.open("calls", os.O_RDWR)  # it never ends
fcntl.fcntl(calls, fcntl.F_SETPIPE_SZ, 4096)
count = 0
for line in open(calls):
    if os.path.getsize("asked") == 0:
        count = 0
    with open("asked", "a") as f:
        f.write(line)
    count += line.startswith('open "')
    while 0 < int(open("gate").read() or 0) <= count:
        time.sleep(0.01)
END
remember $!
SSHD_OPTIONS="ForceCommand $WORK/serve"
if [ ! -x "$server" ] || ! sshd_start "$WORK/ssh"; then
	skip 'a far tree' 'no sshd with an SFTP server can be started here'
	finish
fi
remember "$(cat ssh/sshd.pid)"
IDENTITY=$WORK/ssh/id_ed25519
site_new brent
(umask 077
	shared_policy | awk -v more="{ name = \"app1.brent\"; address = \"127.0.0.1\"; port = $(cat ssh/port); user = \"$(id -un)\";
	  host_keys = [ \"$(ssh-keygen -lf ssh/host_ed25519.pub | cut -d' ' -f2)\" ]; }" '/"b1.brent"/ { b1 = 1 }
	     b1 && sub(/ \]; } \);/, " ]; }, " more " );") { b1 = 0 } 1'
	echo "service = { name = \"far\"; title = \"Far\"; owner = \"brent\"; tier = 1; home = \"brent\"; rpo = \"2d\"; rto = \"2d\";
	  backup = { every = \"12h\"; expect = \"1s\"; timeout = \"1h\"; retries = 0; };
	  datasets = ( { name = \"tree\"; tree = \"$WORK/tree\"; host = \"app1.brent\"; } ); };") >shared.conf
python3 - tree "$FILES" <<'END'
import os, random, sys
rng = random.Random(5)
for i in range(int(sys.argv[2])):
    folder = f"{sys.argv[1]}/{i // 100 % 10}/{i // 1000}"
    if i % 100 == 0:
        os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/{i}", "wb") as f:
        f.write(rng.randbytes(3000))
END
find tree -exec touch -h -d '2020-01-01 00:00:00' {} +
export BASCULE_KEY_FILE=$PWD/brent/key
holds 'a daemon' daemon_start brent || finish

asked() { grep -c '^open "' asked 2>/dev/null; }
stand_still_after() { echo "$1" >gate; : >asked; } # COUNT
until_asked() {
	left=$((3000 + FILES / 10))
	while [ "$(asked)" -lt "$(cat gate)" ] && [ $left -gt 0 ]; do
		sleep 0.02
		left=$((left - 1))
	done
}
go_on() { echo 0 >gate; }
worker() { # its process, of the daemon's
	for p in $(cat "/proc/$(cat brent/pid)/task/"*/children); do
		grep -qz -- --worker "/proc/$p/cmdline" && echo "$p"
	done | head -n 1
}
state_of_last() { at brent --json jobs -n 1 | grep '"kind":"backup"' >.out; field state; }
ended_as() { # PATTERN
	state_of_last | grep -q "$1"
}

# --- the worker is killed
stand_still_after $((FILES / 5))
expect 0 'a backup begins' at brent run far
until_asked
kill -9 "$(worker)"
go_on
wait_for 20 ended_as failed
is 'its worker is killed, and the job has failed' "$(state_of_last)" failed
first=$(asked)
holds 'in the middle' test "$first" -lt "$FILES"

# --- it is cancelled
stand_still_after $((FILES / 4))
expect 0 'it begins again' at brent run far
at brent --json jobs -n 1 >.out
job=$(field job)
until_asked
expect 0 'and is cancelled' at brent cancel "$job"
go_on
wait_for 30 ended_as cancelled
is 'it is' "$(state_of_last)" cancelled
second=$(asked)
holds 'in the middle' test "$second" -lt "$FILES"
is 'what it has is a checkpoint' "$("$B" -r brent/repository --json snapshots --all |
    grep -c '"checkpoint":true')" 1

# --- the daemon is killed
stand_still_after $((FILES / 5))
expect 0 'it goes on' at brent run far
until_asked
daemon_stop brent KILL
go_on
holds 'the daemon starts again' daemon_start brent
third=$(asked)

# --- to the end
: >asked
expect 0 'a run to the end' at brent run far --wait
fourth=$(asked)
echo "# $FILES files; asked for $first, killed; $second, cancelled; $third," \
    "the daemon killed; $fourth to the end"
# 512: what was read ahead of the checkpoint
holds 'what the checkpoint has was not read again' \
    test $((second + third + fourth)) -le $((FILES + 2 * 512))
once=$(du -sb tree | cut -f1)
stored=$(du -sbc brent/repository/packs | tail -n 1 | cut -f1)
holds "little is stored twice: $stored bytes of $once" \
    test "$stored" -le $((once * 115 / 100))
is 'no checkpoint is left' "$("$B" -r brent/repository --json snapshots --all |
    grep -c '"checkpoint":true')" 0
mkdir out
expect 0 'it restores' "$B" -r brent/repository restore \
    "latest:far/tree:$WORK/tree" --to out
same 'as it is' tree out
expect 0 'every byte of the repository is whole' "$B" -r brent/repository check --read

# --- nothing changed
: >asked
began=$(date +%s%N)
expect 0 'a run when nothing changed' at brent run far --wait
took=$(($(date +%s%N) - began))
is 'asks for no file' "$(asked)" 0
is 'and for each directory once' "$(grep -c '^opendir' asked)" \
    "$(find tree -type d | wc -l)"
began=$(date +%s%N)
find tree -type d | sed "s|.*|ls -l \"$WORK/&\"|" >batch
sftp -F none -q -b batch -P "$(cat ssh/port)" -i ssh/id_ed25519 \
    -o UserKnownHostsFile=ssh/known_hosts "$(id -un)@127.0.0.1" >listed 2>&1
echo "# unchanged: $((took / 1000000)) ms;" \
    "sftp's own listing: $((($(date +%s%N) - began) / 1000000)) ms"
daemon_stop brent
is 'the daemon ends cleanly' "$ended" 0
sshd_stop "$WORK/ssh"
finish
