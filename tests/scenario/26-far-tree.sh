#!/bin/sh
# Trees on another host, over SFTP with nothing of ours behind it: what is saved
# is what is there; unchanged files are not read; what SFTP cannot tell is said;
# cut off in the middle (26-far-killed: killed), and what the host may not show.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"
. "$TOP/tests/support/sshd.sh"

holds 'a host' sshd_start "$WORK/ssh" || finish
remember "$(cat ssh/sshd.pid)"
IDENTITY=$WORK/ssh/id_ed25519
host="{ name = \"app1.brent\"; address = \"127.0.0.1\"; port = $(cat ssh/port); user = \"$(id -un)\";
  host_keys = [ \"$(ssh-keygen -lf ssh/host_ed25519.pub | cut -d' ' -f2)\" ]; }"
site_new brent
tree() { echo "{ name = \"$1\"; tree = \"$WORK/$1\"; host = \"app1.brent\"; $2 }"; }
(umask 077
	shared_policy | awk -v more="$host" '/"b1.brent"/ { b1 = 1 }
	     b1 && sub(/ \]; } \);/, " ]; }, " more " );") { b1 = 0 } 1'
	echo "service = { name = \"far\"; title = \"Far\"; owner = \"brent\"; tier = 1; home = \"brent\"; rpo = \"2d\"; rto = \"2d\";
	  backup = { every = \"12h\"; expect = \"1s\"; timeout = \"120s\"; retries = 0; };
	  datasets = ( $(tree data 'exclude = [ "*.tmp", "/skip/" ]; exclude_caches = true; one_file_system = true;'), $(tree many '') ); };") >shared.conf
mkdir -p data/sub/deeper data/skip data/cache many
(cd data && printf 'Signature: 8a477f597d28d172789f06886806bc55\n' >cache/CACHEDIR.TAG
	echo x >cache/x; echo x >skip/x; echo x >a.tmp; : >empty; seq 100000 >big; head -c 5000000 /dev/urandom >sub/large
	ln -s ../big sub/link; ln -s nowhere dangling; mkfifo fifo; echo 1 >'sub/a b'; echo 2 >sub/a-b; echo 3 >"$(printf 'n\377\n')"
	mkdir sub/a; echo 4 >sub/a/x; chmod 2750 sub/a; chmod 0400 big; ln big sub/hard)
i=0; while [ $i -lt 400 ]; do echo "file $i" >many/$i; i=$((i + 1)); done
find data many -exec touch -h -d '2020-01-01 00:00:00' {} +
holds 'a daemon' daemon_start brent || finish
export BASCULE_KEY_FILE=$PWD/brent/key
log() { at brent job "$(at brent --json jobs -n 1 | grep -o '"job":"[^"]*"' | cut -d'"' -f4)" --log >.out 2>&1; }
unchanged() { at brent --json jobs -n 1 >.out; }

expect 0 'the first backup' at brent run far --wait
log; says 'over SFTP, which tells no names' 'read on or after 20'
"$B" -r brent/repository --json snapshots >.out
says '"source":"sftp://.*/data (read over SFTP' '"host":"app1.brent"'
mkdir out && expect 0 'restored' "$B" -r brent/repository restore "latest:far/data:$WORK/data" --to out
rm -rf expected && cp -a --no-preserve=links data expected && rm -rf expected/skip expected/a.tmp expected/cache/x
touch -d '2020-01-01' expected expected/cache
is 'is what is there' "$(python3 "$TOOLS/same_tree.py" expected out 2>&1 | head -n 5)" ''

# Unchanged by size and time is unchanged: nobody reads it, so nobody sees this.
kept() { "$B" -r brent/repository cat latest:far/many "$WORK/many/7" 2>/dev/null; }
printf 'FILE 7\n' >many/7; touch -d '2020-01-01 00:00:00' many/7
printf 'newer\n' >many/8; chmod 600 many/9; rm many/10
expect 0 'the second backup' at brent run far --wait
is 'does not read what is unchanged' "$(kept)" 'file 7'
is '... but what is not' "$("$B" -r brent/repository cat latest:far/many "$WORK/many/8" 2>/dev/null)" newer
"$B" -r brent/repository ls -l latest:far/many >.out 2>/dev/null
says 'rw------- .*many/9$'
fails '... and what is gone is gone' grep -q 'many/10$' .out
for f in brent/state/cache/*.since; do echo 1500000000 >"$f"; done
expect 0 'once in 30 days' at brent run far --wait
is 'everything is read' "$(kept)" 'FILE 7'

# Connections lost twice are no matter: each file and listing has three tries.
(for i in 1 2; do sleep 0.3; sshd_cut ssh; done) 2>/dev/null &
cutter=$!
touch data/sub/large data/big; find many -exec touch -d '2021-01-01 00:00:00' {} +
expect 0 'with all lines cut, twice' at brent run far --wait
wait $cutter
rm -rf out expected; mkdir out
"$B" -r brent/repository restore "latest:far/many:$WORK/many" --to out >/dev/null 2>&1
is '... it is what is there' "$(python3 "$TOOLS/same_tree.py" many out 2>&1 | head -n 5)" ''

# And back to such a host, as a recorded job.
rm -rf there; mkdir there; touch there/mine
expect 0 'restored on a host' at brent restore far/many --on app1.brent --to "$WORK/there"
is '... it is what was saved' "$(python3 "$TOOLS/same_tree.py" many "there$WORK/many" 2>&1 | head -n 5)" ''
holds '... and what was there stays' test -e there/mine
log; says "is in app1.brent:$WORK/there: 39[0-9] files" 'unchanged by size\|times to the second'
at brent --json events --limit 5 --type job >.out; says '"on","value":"app1.brent"'
echo other >"there$WORK/many/7"
expect 0 'again, over what differs' at brent restore far/many --on app1.brent --to "$WORK/there" --delete
is '... it is as it was saved' "$(cat "there$WORK/many/7")" 'FILE 7'
expect 1 'on a host that no site has' at brent restore far/many --on app9.brent --to "$WORK/there"
says "no site declares a host 'app9.brent'"
expect 2 'into a folder of ours' at brent restore far/many --on app1.brent --to there
expect 2 'tried first' at brent restore far/many --on app1.brent --to "$WORK/there" --dry-run
says 'takes no paths, no dry run'
expect 2 'without a daemon' "$B" -r brent/repository restore latest --on app1.brent --to "$WORK/there"
says '--on goes through the daemon'
daemon_stop brent
sshd_stop "$WORK/ssh"
finish
