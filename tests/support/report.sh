# Reports of runs, for scenarios; source it after daemon.sh.
#
#	report_knows AT RUN FIELD...	none of these is unknown in its report
#	report_forms AT RUN		what it has for programs, people read as well

report_knows() {
	report_at=$1 report_run=$2; shift 2
	at "$report_at" --json report exercise "$report_run" >"$WORK/.report.json"
	is "the report of run $report_run has what can be known" \
	    "$(python3 "$TOP/tests/tools/report_forms.py" "$WORK/.report.json" "$@" 2>&1)" ''
}
report_range() { grep -o '[a-z0-9.-]*#[0-9]* to #[0-9]*' "$WORK/.report.$1" | sort -u; }
report_forms() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do # records may still come from the other site
		at "$1" --json report exercise "$2" >"$WORK/.report.json"
		at "$1" report exercise "$2" >"$WORK/.report.text"
		at "$1" report exercise "$2" --format html >"$WORK/.report.html"
		[ "$(report_range html)" = "$(report_range json)" ] && break
		sleep 1
	done
	is 'the report says the same as text, as HTML and as JSON' \
	    "$(python3 "$TOP/tests/tools/report_forms.py" "$WORK/.report.json" \
		-- "$WORK/.report.text" "$WORK/.report.html" 2>&1)" ''
}
