#!/bin/sh
# deps.sh check|install|list WHAT...: the Debian packages that WHAT needs, of
# build, demo, test, bench.  "check" prints the one line that would install what
# is missing and fails; "install" runs it.
#
# Installing starts no service, enables none and creates no database cluster,
# without changing the system's configuration for longer than it takes.
set -eu

build="gcc libc6-dev make pkg-config libssh2-1-dev libarchive-dev libzstd-dev
libconfig-dev libssl-dev libsqlite3-dev libuv1-dev libjansson-dev libfuse3-dev
libgfshare-dev libcurl4-openssl-dev"
demo="openssh-server openssh-client postgresql-15 tzdata"
test="python3 check clang clang-format libclang-rt-14-dev valgrind acl attr
rsync strace sqlite3 zstd libarchive-tools xfsprogs btrfs-progs etcd-server
mariadb-server-core mariadb-client zsh fish"
bench="restic borgbackup rsync zstd postgresql-15 postgresql-contrib openssl
python3 time"

list() {
	for what; do
		case $what in
		build) echo $build ;;
		demo) echo $build $demo ;;
		test) echo $build $demo $test ;;
		bench) echo $build $bench ;;
		*) echo "deps.sh: no such list: $what" >&2; exit 2 ;;
		esac
	done | tr ' ' '\n' | sort -u
}

missing() {
	for p in $(list "$@"); do
		case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null) in
		*"ok installed") ;;
		*) echo "$p" ;;
		esac
	done
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		sudo "$@"
	else
		return 1
	fi
}

line() {
	echo "apt-get install --no-install-recommends -y" "$@"
}

apt() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
	    --no-install-recommends -o Dpkg::Options::=--force-confold "$@"
}

# Debian's own way to say "start nothing": a policy-rc.d that exits 101.  Ours
# is there only while apt runs, and only where the system has none.  A first
# PostgreSQL would make a database cluster, unless createcluster.conf says not
# to: it comes with postgresql-common, so that goes first.
conf=/etc/postgresql-common/createcluster.conf
policy=/usr/sbin/policy-rc.d

# is_new PACKAGE WANTED...: will installing these bring it?
is_new() {
	new=$1
	shift
	case $(dpkg-query -W -f '${Status}' "$new" 2>/dev/null) in
	*"ok installed") return 1 ;;
	esac
	case $new/" $*" in
	openssh-server/*" openssh-server"*) return 0 ;;
	postgresql-common/*" postgresql-"*) return 0 ;;
	etcd-server/*" etcd-server"*) return 0 ;;
	esac
	return 1
}

put_back() {
	[ -z "$made_policy" ] || as_root rm -f $policy
	[ -z "$saved_conf" ] || as_root mv -f $conf.bascule $conf
}

install_quietly() {
	made_policy= saved_conf=
	trap put_back EXIT
	trap 'exit 130' INT TERM HUP
	if [ ! -e $policy ]; then
		made_policy=yes
		printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
		as_root chmod 755 $policy
	fi
	new_units=
	is_new openssh-server "$@" && new_units="$new_units ssh"
	is_new postgresql-common "$@" && new_units="$new_units postgresql"
	is_new etcd-server "$@" && new_units="$new_units etcd"
	apt update
	case " $* " in
	*" postgresql-"*)
		apt install postgresql-common
		saved_conf=yes
		as_root cp -p $conf $conf.bascule
		echo "create_main_cluster = false" |
		    as_root tee -a $conf >/dev/null ;;
	esac
	apt install "$@"
	# What just came would start with the machine: nobody asked for that.
	for unit in $new_units; do
		as_root env DPKG_MAINTSCRIPT_PACKAGE=bascule \
		    deb-systemd-helper disable $unit.service >/dev/null
		as_root update-rc.d $unit disable >/dev/null
	done
}

mode=$1
shift
case $mode in
list) list "$@" ;;
check)
	want=$(missing "$@")
	[ -z "$want" ] || { echo "missing packages; this installs them:"
		line $want; exit 1; } ;;
install)
	want=$(missing "$@")
	[ -n "$want" ] || exit 0
	echo "installing:" $want
	if ! as_root true; then
		echo "deps.sh: neither root nor able to use sudo; have somebody run"
		line $want
		exit 1
	fi
	install_quietly $want ;;
*) echo "usage: deps.sh check|install|list build|demo|test|bench" >&2; exit 2 ;;
esac
