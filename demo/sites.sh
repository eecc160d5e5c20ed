# A site: its SSH server, its policies, its daemon.

# site_ssh SITE ADDRESS...: one port, on each of its addresses.
site_ssh() {
	site=$1 address=$2
	[ "$(id -u)" != 0 ] || [ -d /run/sshd ] || made_run_sshd=yes
	for try in 1 2 3 4 5 6 7 8; do
		port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
		SSHD_OPTIONS="ListenAddress $3:$port"
		sshd_start "$work/$site/ssh" "$address" "$port" \
		    2>"$work/$site/ssh.err" || continue
		[ "$(grep -c '^Server listening' "$work/$site/ssh/log")" = 2 ] &&
		    break
		sshd_stop "$work/$site/ssh"
	done
	[ -f "$work/$site/ssh/sshd.pid" ] || fail "the SSH server of $site"
	# The key of the other site's daemon may put things here, and no more.
	ssh-keygen -q -t ed25519 -N '' -C "$site" -f "$work/$site/id_ed25519"
}

site_key() { ssh-keygen -lf "$work/$1/ssh/host_ed25519.pub" | cut -d' ' -f2; }
site_keys() {
	for t in ed25519 ecdsa; do
		ssh-keygen -lf "$work/$1/ssh/host_$t.pub" | cut -d' ' -f2
	done | sed -e 's/.*/"&"/' -e '1s/$/,/' | tr '\n' ' '
}

# In single quotes, for the shell that sshd starts.
for_shell() { printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"; }

site_policies() {
	site=$1 dir=$work/$1 other=brent
	[ "$site" = southwark ] || other=southwark
	command="$(for_shell "$bascule") -r $(for_shell "$dir/repository") store serve --allow put"
	printf 'command="%s",restrict %s\n' \
	    "$(printf %s "$command" | sed 's/["\\]/\\&/g')" \
	    "$(cat "$work/$other/id_ed25519.pub")" >"$dir/ssh/authorized_keys"

	mkdir "$dir/services"
	cp "$top/policies/controls.conf" "$dir/controls.conf"
	for file in bascule sites services/documents services/bank; do
		fill "$top/demo/policies/$file.conf.in" "$dir/$file.conf" \
		    SITE "$site" WORK "$(quoted "$work")" USER "$(id -un)" \
		    DATA "$(quoted "$DATA")" DEMO "$(quoted "$top/demo")" \
		    BRENT_PORT "$(cat "$work/brent/ssh/port")" \
		    BRENT_KEYS "$(site_keys brent)" \
		    SOUTHWARK_PORT "$(cat "$work/southwark/ssh/port")" \
		    SOUTHWARK_KEYS "$(site_keys southwark)" \
		    PGBIN "$pgbin" PG_PORT "$pg_port"
	done
}

site_answers() { "$bascule" --socket "$work/$1/sock" services >/dev/null 2>&1; }

site_daemon() {
	site=$1
	setsid "$build/basculed" -c "$work/$site/bascule.conf" --foreground \
	    </dev/null >"$work/$site/log" 2>&1 &
	eval "daemon_$site=$!"
	wait_until 20 "answer of the daemon of $site" site_answers "$site"
	site_note_key "$site"
	say "basculed of $site answers; its ledger is signed by $(cat "$work/$site/ledger.pin")"
}

# It was asked to end, and did so by itself with exit code 0.
site_stop() {
	eval "pid=\$daemon_$1; daemon_$1="
	kill "$pid" || fail "the daemon of $1 had died"
	run_status=0
	wait "$pid" || run_status=$?
	[ $run_status = 0 ] || fail "the daemon of $1 ended with $run_status"
}

points_at() { # SITE SERVICE COUNT
	[ "$("$bascule" --socket "$work/$1/sock" --json points "$2" 2>/dev/null |
	    grep '"type": *"point"' | grep -c '"complete": *true')" -ge "$3" ]
}

# An auditor notes on the first day which key signs a site's ledger, and
# accepts no other later on.
site_note_key() {
	run "$bascule" --socket "$work/$1/sock" evidence export \
	    -o "$work/$1/first.tar.zst" >/dev/null || fail "evidence of $1"
	run "$bascule" --json evidence verify "$work/$1/first.tar.zst" \
	    >"$work/$1/first.json" || fail "the first evidence of $1"
	json signer <"$work/$1/first.json" | head -n 1 >"$work/$1/ledger.pin"
	[ -s "$work/$1/ledger.pin" ] || fail "nobody signs the ledger of $1"
}

# As the test would make it.
namespace_can_be_made() {
	for users in '' -Ur; do
		unshare $users -nmpf --propagation unchanged true 2>/dev/null &&
		    return 0
	done
	return 1
}

# One service's test, from its start to its report.
site_exercise() {
	service=$1 at=$work/southwark/sock
	status=0
	show "$bascule" --socket "$at" exercise start "$service" --mode test \
	    --wait || status=$?
	id=$("$bascule" --socket "$at" --json exercise list |
	    grep "\"service\": *\"$service\"" | json run | head -n 1)
	show "$bascule" --socket "$at" exercise show "$id" ||
	    fail "the report of exercise $id"
	"$bascule" --socket "$at" --json exercise show "$id" \
	    >"$work/$service.report"
	result=$(json result <"$work/$service.report" | head -n 1)
	case $status/$result in
	0/PASS*) ;;
	8/NOT_MEASURED)
		! namespace_can_be_made || fail "the isolation was not measured"
		isolation='NOT MEASURED' ;;
	*) fail "the test of $service: $result" ;;
	esac
	[ -s "$work/facts/$service" ] || fail "the test of $service proved nothing"
	! ls "$work/sandbox" | grep . || fail "the test of $service left its sandbox"
}
