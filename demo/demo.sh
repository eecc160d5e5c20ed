#!/bin/sh
# make demo: the whole way on this machine, from policies to evidence.
#
# Two real SSH servers and two daemons on loopback addresses, Brent and
# Southwark; a tree of real files (DATA=DIR, default /usr/share/doc) and a
# PostgreSQL database that is written to all the time.  Everything is in one
# folder, which is removed at the end, and every process has ended by then.
set -eu

# Started in the background by a script we would never hear of an interrupt.
[ -n "${DEMO_HEARS:-}" ] ||
    DEMO_HEARS=yes exec env --default-signal=INT,QUIT sh "$0"

top=$(cd "$(dirname "$0")/.." && pwd -P)
build=$top/${BUILD:-build}
DATA=$(cd "${DATA:-/usr/share/doc}" && pwd -P)
cd / # where everybody may be
began=$(date +%s)
part=beginning work= failed= signalled= summary=
running= isolation= writer= daemon_brent= daemon_southwark= made_run_sshd= pgbin=

. "$top/demo/lib.sh"
. "$top/demo/bank.sh"
. "$top/demo/sites.sh"
. "$top/demo/summary.sh"
. "$top/tests/support/sshd.sh"

trap finish EXIT
trap 'signalled=130; exit 130' INT
trap 'signalled=143; exit 143' TERM
trap 'signalled=129; exit 129' HUP
# A Unix socket's path has at most 107 bytes.
base=${TMPDIR:-/tmp}
[ ${#base} -le 24 ] || base=/tmp
mark=bascule-demo.$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')
work=$base/$mark
umask 077
mkdir "$work" || { work=; fail "no folder can be made in $base"; }
case $work/ in
"$DATA"/*) fail "$DATA holds $work, which changes all the time" ;;
esac
chmod 711 "$work" # PostgreSQL does not run as root, and must reach its own
mkdir "$work/brent" "$work/southwark" "$work/facts" "$work/home" "$work/bin"
ln -s "$build/bascule" "$work/bin/bascule"
bascule=$work/bin/bascule
# What runs for us is known by this, and keeps its things where we do.
export BASCULE_DEMO="$work" HOME="$work/home" BASCULE_STATE_DIR="$work/cache"
unset SSH_AUTH_SOCK BASCULE_SOCKET BASCULE_REPOSITORY BASCULE_KEY_FILE \
    BASCULE_PASSPHRASE_FILE PGHOST PGPORT PGUSER PGDATABASE PGSERVICE \
    PGOPTIONS PGPASSWORD 2>/dev/null || :

say "Everything is in $work (\$WORK below) and gone afterwards."

chapter 'two sites: SSH servers of their own'
site_ssh brent 127.0.1.1 127.0.1.2
site_ssh southwark 127.0.2.1 127.0.2.2
say "Brent      127.0.1.1 port $(cat "$work/brent/ssh/port"), $(site_key brent)"
say "Southwark  127.0.2.1 port $(cat "$work/southwark/ssh/port"), $(site_key southwark)"

chapter 'two services at Brent: a tree of files, and a database that is written to'
bank_find
bank_start
bank_write
say "documents  $DATA, $(du -sh "$DATA" | cut -f1)"
say "bank       $("$pgbin/postgres" --version) on 127.0.1.1 port $pg_port, money moves all the time"

chapter 'a repository, its keys, and the policies of both sites'
show "$bascule" -r "$work/brent/repository" init --key-file "$work/brent/repository.key"
cp "$work/brent/repository.key" "$work/southwark/repository.key"
site_policies brent
site_policies southwark
for site in brent southwark; do
	show "$bascule" policy check "$work/$site/bascule.conf" ||
	    fail "the policies of $site"
done

chapter 'two daemons: from here on the schedule decides'
site_daemon southwark
site_daemon brent
show "$bascule" --socket "$work/brent/sock" schedule bank --next 3 ||
    fail 'schedule'
say
say 'Waiting for two complete points of each service at both sites ...'
for service in documents bank; do
	wait_until 90 "two points of $service at brent" points_at brent $service 2
	wait_until 60 "two points of $service at southwark" points_at southwark $service 2
done

chapter 'the posture, at both sites'
for site in brent southwark; do
	at="$work/$site/sock"
	show "$bascule" --socket "$at" status || [ $? = 6 ] || fail "status at $site"
	for service in documents bank; do
		show "$bascule" --socket "$at" points $service || fail "points at $site"
	done
	show "$bascule" --socket "$at" links || fail "links at $site"
done
show "$bascule" --socket "$work/brent/sock" jobs || fail 'jobs'

chapter 'an isolated test at Southwark: restore, start, prove, clean up'
bank_ask 'SELECT 1' >/dev/null || fail 'production cannot be reached, even from here'
say "Production answers on 127.0.1.1 port $pg_port from here; the test must not reach it."
site_exercise documents
# What was in production when the test began: the loss, measured in the data.
bank_then=$(bank_ask 'SELECT count(*) FROM transfers')
bank_then_s=$(date +%s)
site_exercise bank

chapter 'evidence, and every byte of both repositories'
for site in brent southwark; do
	show "$bascule" --socket "$work/$site/sock" evidence export \
	    -o "$work/$site/evidence.tar.zst" || fail "evidence of $site"
done
for site in brent southwark; do
	show "$bascule" evidence verify --key "$work/$site/ledger.pin" \
	    "$work/$site/evidence.tar.zst" || fail "the evidence of $site is not good"
done
for site in brent southwark; do
	show "$bascule" -r "$work/$site/repository" check --read ||
	    fail "the repository of $site is damaged"
done

chapter 'the end'
summary_make
site_stop southwark
site_stop brent
say 'both daemons ended by themselves'
exit 0
