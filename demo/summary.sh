# What was done and measured: gathered while everything is still there, told
# when nothing is.

# sums DATASET: of a repository's snapshots in $work/list, "COUNT BYTES STORED
# FIRST_SECONDS LAST_SECONDS LAST_NEW".
sums() {
	grep "\"dataset\": *\"$1\"" "$work/list" | while read -r line; do
		for name in bytes stored_bytes started ended new_bytes; do
			printf '%s ' "$(printf '%s\n' "$line" | json $name | head -n 1)"
		done
		echo
	done | awk '
	function at(t, p) { # seconds of the day are enough, but for midnight
		split(substr(t, 12), p, ":")
		return p[1] * 3600 + p[2] * 60 + p[3]
	}
	{ took = at($4) - at($3); if (took < 0) took += 86400
	  n++; bytes += $1; stored += $2; last_new = $5
	  if (n == 1) first = took
	  last = took }
	END { printf "%d %.0f %.0f %.2f %.2f %.0f\n", n, bytes, stored, first, last, last_new }'
}

size() {
	awk -v n="$1" 'BEGIN { split("B KiB MiB GiB TiB", u, " "); i = 1
		while (n >= 1024 && i < 5) { n /= 1024; i++ }
		printf(i == 1 ? "%d %s" : "%.1f %s", n, u[i]) }'
}

row() { summary="$summary$(printf '%-11s %-24s %s' "$1" "$2" "$3")
"; }

summary_service() { # SERVICE DATASET
	set -- "$1" "$2" $(sums "$2")
	row "$1" 'backups by schedule' "$3, of $(size $(($4 / $3))) each"
	row '' 'first and last took' "$6 s and $7 s"
	row '' 'saved and stored' "$(size "$4") in $(size "$5"), by deduplication and compression"
	report=$work/$1.report
	field() { json "$1" <"$report" | head -n 1; }
	row '' 'isolated test' "$(field result)"
	row '' 'RTA against RTO' "$(field rta_seconds) s of $(field rto_seconds) s: $(field rta_verdict)"
	row '' 'RPA against RPO' "$(field rpa_seconds) s of $(field rpo_seconds) s: $(field rpa_verdict)"
}

summary_make() {
	BASCULE_KEY_FILE=$work/southwark/repository.key "$bascule" --json \
	    -r "$work/southwark/repository" snapshots >"$work/list" ||
	    fail 'the snapshots at southwark'
	summary_service documents files
	. "$work/facts/documents"
	row '' 'restored and compared' "$entries entries, byte for byte and attribute for attribute"
	summary_service bank database
	. "$work/facts/bank"
	written=$(bank_ask 'SELECT count(*) FROM transfers')
	[ "$written" -gt "$transfers" ] || fail 'nobody wrote to the bank meanwhile'
	row '' 'restored and started' "$accounts accounts with $transfers transfers, each balance right;"
	row '' '' "$lines lines of SQL equal those of the dump"
	lost=$((bank_then - transfers)) lost_s=$((bank_then_s - newest))
	[ $lost -gt 0 ] || lost=0 lost_s=0 # a point came just before it began
	row '' 'loss, seen in the data' "$lost transfers of $lost_s s, had the disaster come as the test began"
	row '' 'production meanwhile' "$((written - bank_then)) more transfers"
	row both 'production from the test' "${isolation:-unreachable: a network namespace of its own}"
	for site in brent southwark; do
		row '' "repository of $site" "$(size "$(du -sb "$work/$site/repository" | cut -f1)"), every byte checked"
	done
	row '' 'evidence' 'exported at both sites, verified offline'
}

tell_summary() {
	printf '\n--- what was done and measured\n\n%s\n' "$summary"
	say "It took $(($(date +%s) - began)) s; no process and no file is left."
	[ -z "$isolation" ] || say "Isolation: NOT MEASURED: this machine lets us make no network namespace."
}
