# Several people of one machine, for scenarios; source it after scenario.sh.
#
#	people_needed WHAT	else the scenario is skipped: it takes root
#	person_at SITE UID COMMAND...	of bascule, at SITE's daemon

people_needed() {
	if [ "$(id -u)" != 0 ] || ! setpriv --reuid 5 --clear-groups true 2>/dev/null; then
		skip "$1" 'being several people takes root'
		finish
	fi
}

person_at() {
	person_site=$1 person_uid=$2; shift 2
	HOME=/ setpriv --reuid "$person_uid" --regid "$person_uid" --clear-groups \
	    "$B" --socket "$WORK/$person_site/socket" "$@" </dev/null
}
