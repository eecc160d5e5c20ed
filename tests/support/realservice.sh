#!/bin/sh
# A real service for scenarios: PostgreSQL and a web application over it, which
# people write to all the time.  Source it after daemon.sh, in a laboratory of
# namespaces.  Each host sees its own $WORK/HOST/here at $WORK/here.
#
#	real_find			is there a PostgreSQL?
#	real_sites			policies, keys, the service's own files
#	real_begin			it runs at brent, and people write to it
#	real_ctl HOST VERB		of its control program, at that host
#	real_count HOST			rows there
#	real_newest HOST		the newest complete point it knows
#	real_lost HOST			acknowledged writes that are not there
#	real_writing			has a write been acknowledged since?

real_find() {
	for real_dir in /usr/lib/postgresql/*/bin; do
		[ ! -x "$real_dir/initdb" ] || real_pg=$real_dir
	done
	[ -n "${real_pg:-}" ]
}

# --- the service's own -----------------------------------------------------------
real_app() {
	cat >"$WORK/app.py" <<'END'
# Repairs are reported here: a row in the database and a photograph beside it,
# and the answer when both are durable.
import fcntl, http.server, os, subprocess, sys, threading
here, psql = sys.argv[1:3]
db = subprocess.Popen([psql, "-qAtX", "-h", "127.0.0.1", "-U", "postgres",
    "repairs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
one = threading.Lock()

def sql(question):
    db.stdin.write(question + ";\n")
    db.stdin.flush()
    return db.stdout.readline().strip()

class Page(http.server.BaseHTTPRequestHandler):
    def say(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        with one:
            count = sql("SELECT count(*) FROM repairs")
        self.say(200 if count else 500, "repairs: " + count)

    def do_POST(self):
        name = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with one, open(here + "/lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.exists(here + "/paused"):
                return self.say(503, "paused")
            with open("%s/photos/%s.jpg" % (here, name), "w") as f:
                f.write("a photograph of " + name)
                f.flush()
                os.fsync(f.fileno())
            got = sql("INSERT INTO repairs (name) VALUES ('%s') "
                "RETURNING name" % name)
        self.say(200 if got == name else 500, got)

    def log_message(self, *words):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Page).serve_forever()
END
	cat >"$WORK/people.py" <<'END'
# Who reports repairs, all day: whatever is acknowledged is noted down.
import http.client, sys, time
host, acks = sys.argv[1:3]
n = 0
while True:
    n += 1
    name = "%s-%d" % (host, n)
    try:
        c = http.client.HTTPConnection("127.0.0.1", 8080, timeout=5)
        c.request("POST", "/repair", name)
        if c.getresponse().status == 200:
            with open(acks, "a") as f:
                f.write(name + "\n")
            time.sleep(0.1)
            continue
    except OSError:
        pass
    time.sleep(0.5)
END
	real_ctl_file
}

# ctl VERB [FOLDER]: live in $WORK/here, a test elsewhere.
real_ctl_file() {
	cat >"$WORK/ctl" <<END
#!/bin/sh
here=\${2:-$WORK/here}
cd "\$here" || exit 3
# PostgreSQL will not run as root: it is somebody else in a namespace of its own.
server() { unshare --user --map-user=$(id -u nobody) --map-group=$(id -g nobody) \
    "$real_pg/\$@"; }
sql() { "$real_pg/psql" -qAtX -h 127.0.0.1 -U postgres "\$@"; }
app_runs() { [ -s app.pid ] && kill -0 "\$(cat app.pid)" 2>/dev/null; }
pg_runs() { [ -s pg/postmaster.pid ] && kill -0 "\$(head -n 1 pg/postmaster.pid)" 2>/dev/null; }
pg_stop() { ! pg_runs || server pg_ctl -D "\$here/pg" -m fast -w -s stop >/dev/null 2>&1; }
pg_begin() { # [OPTION]
	rm -f pg/postmaster.pid
	server pg_ctl -D "\$here/pg" -l "\$here/pg.log" -w -s -t 60 -o "\$1" start >/dev/null 2>&1 </dev/null
}
pg_start() {
	[ -d pg ] || cp -a "$WORK/template" pg || return
	[ ! -e read-only ] || { pg_stop && rm read-only || return; }
	pg_runs || pg_begin ''
}
# Fenced it takes no more writes, but what it has can still be read; or, with a file
# "shuts", it is shut down, and a capture of what it wrote after the point opens it.
pg_read() {
	[ -e read-only ] && pg_runs && pg_is_fenced && return
	touch read-only
	pg_stop && pg_begin '-c default_transaction_read_only=on'
}
pg_fence() {
	[ -d pg ] || return 0
	if [ -e "$WORK/shuts" ]; then pg_stop; else pg_read; fi
}
pg_is_fenced() {
	! pg_runs || [ "\$(sql -d postgres -c 'SHOW default_transaction_read_only')" = on ]
}
case \$1 in
create) pg_start && sql -c 'CREATE DATABASE repairs' &&
	sql -d repairs -c 'CREATE TABLE repairs (name text PRIMARY KEY)' && mkdir -p photos ;;
load)
	pg_start && sql -c 'DROP DATABASE IF EXISTS repairs WITH (FORCE)' &&
	sql -c 'CREATE DATABASE repairs' || exit
	dump=\$here/dump
	[ ! -d "\$dump" ] || dump=\$(find "\$dump" -type f | head -n 1)
	"$real_pg/pg_restore" -h 127.0.0.1 -U postgres -d repairs "\$dump" ;;
let-start) rm -f fenced; exec "\$0" start "\$here" ;; # of the plan: it is ours again
start)
	[ ! -e fenced ] || { echo "it is fenced here" >&2; exit 1; }
	[ "\$here" != "$WORK/here" ] ||
	    "$B" --socket "$WORK/\$(hostname)/socket" permit repairs >&2 || exit
	rm -f paused
	mkdir -p photos
	pg_start || exit
	app_runs && exit
	rm -f app.pid
	# Whoever starts it may be killed at any moment: it says itself who it is.
	setsid sh -c 'echo \$\$ >app.pid; exec python3 "\$@"' sh \
	    "$WORK/app.py" "\$here" "$real_pg/psql" </dev/null >app.log 2>&1 &
	until [ -s app.pid ]; do sleep 0.01; done ;;
stop)
	[ "\$here" != "$WORK/here" ] || touch fenced
	app_runs && kill -9 "\$(cat app.pid)"
	rm -f app.pid
	if [ "\$here" = "$WORK/here" ]; then pg_fence; else pg_stop; fi ;;
open) echo open >>hooks; pg_read ;;
close) echo close >>hooks; [ ! -e "$WORK/shuts" ] || pg_stop ;;
end) ! app_runs || kill -9 "\$(cat app.pid)"; pg_stop ;;
is-stopped) [ -e fenced ] && ! app_runs && pg_is_fenced ;;
is-shut) [ -e fenced ] && ! app_runs && ! pg_runs ;;
runs) [ ! -e fenced ] && app_runs && pg_runs ;;
unfence) rm -f fenced ;;
pause) flock lock touch paused ;;
resume) rm -f paused; app_runs || exec "\$0" start ;;
rows) sql -d repairs -c 'SELECT count(*) FROM repairs' ;;
names) sql -d repairs -c 'SELECT name FROM repairs' ;;
esac
END
	chmod +x "$WORK/ctl"
}

# --- the policy --------------------------------------------------------------------
real_service() { # [MORE]
	cat <<END
service = {
  name = "repairs"; title = "Housing repairs"; owner = "brent"; tier = 1;
  home = "brent"; standby = "southwark"; rpo = "1h"; rto = "4h";
  live_root = "$WORK/here";
  datasets = ( { name = "photos"; tree = "$WORK/here/photos"; },
    { name = "database"; min_size = "500B"; database = { kind = "postgresql"; name = "repairs";
        address = "127.0.0.1"; port = 5432; user = "postgres"; }; } );
  capture = { before = [ "$WORK/ctl", "open" ]; after = [ "$WORK/ctl", "close" ]; timeout = "60s"; };
  quiesce = { before = [ "$WORK/ctl", "pause" ]; after = [ "$WORK/ctl", "resume" ]; timeout = "20s"; };
  backup = { every = "30m"; expect = "1s"; timeout = "60s"; };
  replicate = { to = [ "southwark" ]; within = "5m"; };
  plan = (
    { step = "photos"; restore = "photos"; to = "\${sandbox}/photos"; },
    { step = "database"; restore = "database"; to = "\${sandbox}/dump"; },
    { step = "load"; after = [ "database" ]; run = [ "$WORK/ctl", "load", "\${sandbox}" ];
      timeout = "1m"; idempotent = true; undo = [ "$WORK/ctl", "stop", "\${sandbox}" ]; },
    { step = "start"; after = [ "load", "photos" ]; run = [ "$WORK/ctl", "let-start", "\${sandbox}" ];
      idempotent = true; undo = [ "$WORK/ctl", "stop", "\${sandbox}" ]; },
    { step = "answers"; after = [ "start" ];
      check = { http = "http://127.0.0.1:8080/"; expect = 200; contains = "repairs: "; within = "20s"; }; },
    { step = "rows"; after = [ "load" ]; check = { command = [ "$WORK/ctl", "rows", "\${sandbox}" ];
        expect_at_least = 1; }; },
    { step = "sealed"; modes = [ "test" ]; check = { unreachable = "$(lab_address brent virgin):$LAB_PORT"; }; } );
  fence = ( { run = [ "$WORK/ctl", "stop" ]; prove = [ "$WORK/ctl", "is-stopped" ];
      undo = [ "$WORK/ctl", "unfence" ]; timeout = "20s"; },
    { attest = "The power of the rack at the other site is off"; people = 2; } );
  approvals = { planned = 0; unplanned = 1; };
  failover = { patience = "1m"; cooldown = "0s"; hold_down = "2s"; min_proof = "L0"; };
  ${1:-}
};
END
}

real_sites() { # [LINE of a site's own file [MORE of the service]]
	real_app
	: >"$WORK/acks"
	: >"$WORK/given-up"
	unshare --user --map-user="$(id -u nobody)" --map-group="$(id -g nobody)" \
	    "$real_pg/initdb" -D "$WORK/template" -U postgres -A trust --no-sync \
	    >"$WORK/initdb" 2>&1 || return
	cat >>"$WORK/template/postgresql.conf" <<'END'
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
dynamic_shared_memory_type = mmap
END
	lab_bridged "${1:-}"
	(umask 077; { lab_policy; real_service "${2:-}"; } >"$WORK/shared.conf")
}

real_ctl() { real_at=$1; shift; lab_on "$real_at" "$WORK/ctl" "$@"; }
real_count() { real_ctl "$1" rows 2>/dev/null; }

real_begin() {
	wait_for 20 at brent permit repairs || return
	real_ctl brent create && real_ctl brent start || return
	for real_host in brent southwark; do
		lab_on $real_host python3 "$WORK/people.py" $real_host "$WORK/acks" &
		remember $!
	done
	wait_for 10 test -s "$WORK/acks"
}

real_newest() {
	at "$1" --json points repairs | grep '"complete":true' | head -n 1 |
	    grep -o '"point":"[0-9a-f]*"' | cut -d'"' -f4
}

real_writing() {
	real_before=$(wc -l <"$WORK/acks")
	wait_for 10 sh -c "[ \$(wc -l <$WORK/acks) -gt $((real_before + 3)) ]"
}

# Those of the acknowledged that are not there, by the database or by the photo,
# but for those that were given up.
real_lost() {
	# of this moment, for people go on writing
	sort "$WORK/acks" | comm -23 - "$WORK/given-up" >"$WORK/acked"
	real_ctl "$1" names | sort >"$WORK/had"
	(cd "$WORK/$1/here/photos" && ls | sed 's/\.jpg$//') | sort >"$WORK/photographed"
	{ comm -23 "$WORK/acked" "$WORK/had"
	    comm -23 "$WORK/acked" "$WORK/photographed"; } | sort -u >"$WORK/lost"
	[ ! -s "$WORK/lost" ] ||
	    echo "$(wc -l <"$WORK/lost") lost, as $(head -n 1 "$WORK/lost")"
}
