#!/bin/sh
# What commands print, as datasets of a service: the exit status decides, so do
# min_size and max_shrink; what is said on stderr is kept; fixed chunks.
. "$(dirname "$0")/../support/scenario.sh"
. "$TOP/tests/support/daemon.sh"

cat >say <<END
#!/bin/sh
# say NAME: what $WORK/NAME holds, then ends as $WORK/NAME.exit says.
cat "$WORK/\$1"; echo "progress of \$1" >&2
exit "\$(cat "$WORK/\$1.exit" 2>/dev/null || echo 0)"
END
chmod 700 say
dataset() { echo "{ name = \"$1\"; command = [ \"$WORK/say\", \"$1\" ]; $2 }"; }
site_new brent
(umask 077; { shared_policy; cat <<END
service = { name = "out"; title = "Out"; owner = "brent"; tier = 1; home = "brent";
  rpo = "1h"; rto = "4h"; backup = { every = "30m"; expect = "1s"; timeout = "60s"; };
  datasets = ( $(dataset plain ''), $(dataset floor 'min_size = "1KiB";'),
    $(dataset shrink 'max_shrink = "50%";'), $(dataset fixed 'chunking = "fixed 16KiB";') ); };
END
} >shared.conf)
seq 1000 >plain; seq 1000 >floor; seq 9000 >shrink; head -c 1000000 /dev/urandom >fixed
expect 0 'the policy is good' "$DAEMON" -c brent/bascule.conf --check
holds 'a daemon' daemon_start brent || finish
export BASCULE_KEY_FILE=$PWD/brent/key
count() { "$B" -r brent/repository --json snapshots | grep -c "\"dataset\":\"$1\""; }
log() { at brent job "$(at brent --json jobs -n 1 | grep -o '"job":"[^"]*"' | cut -d'"' -f4)" --log >.out 2>&1; }

expect 0 'all of them' at brent run out --wait; log; says 'progress of plain'
"$B" -r brent/repository cat latest:out/plain plain >got 2>/dev/null
is 'what was printed is what is kept' "$(cmp got plain && echo same)" same
before=$(du -sb brent/repository/packs | cut -f1)
bend fixed 500000
expect 0 'one byte of a file of fixed chunks' at brent run out/fixed --wait
holds '... costs a chunk' test "$(($(du -sb brent/repository/packs | cut -f1) - before))" -lt 40000

refused() { # DATASET, pattern...: its run fails, nothing of it is kept
	d=$1; shift; n=$(count "$d")
	at brent run "out/$d" --wait >.out 2>.err; code=$?
	fails "$d: the run fails (exit code $code)" test $code = 0
	cat .out .err >said; log; cat said >>.out; says "$@"
	is '... and nothing is kept' "$(count "$d")" "$n"
}
echo 3 >plain.exit; refused plain 'exit.* 3' 'progress of plain'
rm plain.exit; : >plain; expect 0 'no output is output, unless more is asked for' at brent run out/plain --wait
seq 10 >floor; refused floor 'below the least expected'
seq 4000 >shrink; refused shrink '50 %'
seq 7000 >shrink; expect 0 'half as much is enough' at brent run out/shrink --wait
expect 3 'one that fails makes the service partial' at brent run out --wait
says 'no recovery point'
seq 1000 >floor; expect 0 'then it is whole again' at brent run out --wait
daemon_stop brent
expect 0 'check' "$B" -r brent/repository check --open
finish
