# Sourced first: the scenario goes on in a mount namespace of its own, where one can
# be had.  One that another scenario makes meanwhile would hold what is mounted here
# for as long as anything lives in it.
[ -n "${MOUNTS:-}" ] || ! unshare -m true 2>/dev/null || {
	MOUNTS=own exec unshare -m --propagation private "$0" "$@"
}
