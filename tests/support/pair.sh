# Two sites on this machine whose daemons speak to each other over sshds of
# their own; source it after daemon.sh.
#
#	pair_sshd WHAT		both sshds, at 127.0.1.1 and 127.0.2.1: PORT,
#				HOST_KEY, IDENTITY, and id_bridge, which opens the
#				bridge only; or WHAT is skipped
#	pair_store		each may put its copies at the other, too
#	pair_sites [SED]	brent as site_new makes it, southwark like it

. "$TOP/tests/support/sshd.sh"

pair_sshd() {
	ssh-keygen -q -t ed25519 -N '' -f "$WORK/id_bridge"
	mkdir "$WORK/sshd-brent" "$WORK/sshd-southwark"
	sshd_keys "$WORK/sshd-brent"
	cp "$WORK/sshd-brent"/host_ed25519* "$WORK/sshd-brent"/id_ed25519* "$WORK/sshd-southwark/"
	for pair_at in brent southwark; do
		printf 'command="%s --socket %s bridge",restrict %s\n' "$B" \
		    "$WORK/$pair_at/socket" "$(cat "$WORK/id_bridge.pub")" \
		    >"$WORK/sshd-$pair_at/authorized_keys"
	done
	if ! sshd_start "$WORK/sshd-brent" 127.0.1.1; then
		skip "$1" 'no sshd can be started here'
		finish
	fi
	PORT=$(cat "$WORK/sshd-brent/port")
	sshd_start "$WORK/sshd-southwark" 127.0.2.1 "$PORT" || finish
	HOST_KEY=$(ssh-keygen -lf "$WORK/sshd-brent/host_ed25519.pub" | awk '{ print $2 }')
	IDENTITY=$WORK/sshd-brent/id_ed25519
}

pair_store() {
	for pair_at in brent southwark; do
		printf 'command="%s -r %s store serve --allow put",restrict %s\n' "$B" \
		    "$WORK/$pair_at/repository" "$(cat "$IDENTITY.pub")" \
		    >>"$WORK/sshd-$pair_at/authorized_keys"
	done
}

pair_sites() {
	site_new brent
	mkdir "$WORK/southwark"
	cp "$WORK/brent/key" "$WORK/southwark/key"
	(umask 077; sed "s|brent|southwark|g; s|sshd-southwark/id|sshd-brent/id|; ${1:-}" \
	    "$WORK/brent/bascule.conf" >"$WORK/southwark/bascule.conf")
}
