# Root of a site, at the ledger of its daemon that is stopped: tests/tools/append.c
# as $WORK/append.  Source it after daemon.sh.
#
#	append SITE TYPE NAME=VALUE...	a record, under a head of that site's key
#	again SITE RUN VERB [NAME=VALUE...]
#					the newest such word of the run ('': of none) once more,
#					with other fields

# shellcheck disable=SC2046
if ! (cd "$TOP" && ${CC:-cc} -std=gnu11 -D_GNU_SOURCE -Iinclude \
    ${SAN:+-fsanitize=$SAN} -o "$WORK/append" tests/tools/append.c \
    "$BUILD/libbascule.a" -pthread $(pkg-config --libs libssh2 libarchive \
    libzstd libconfig openssl sqlite3 libuv jansson libgfshare fuse3 libcurl)); then
	not_ok 'what appends to a ledger'
	finish
fi

append() { # SITE TYPE NAME=VALUE...
	append_site=$1; shift
	"$WORK/append" "$WORK/$append_site/state" "$append_site" "$@"
}

again() { # SITE RUN VERB [NAME=VALUE...]
	python3 - "$WORK" "$@" <<'END'
import json, os, subprocess, sys
work, site, run, verb, *others = sys.argv[1:]
events = os.path.join(work, "events-" + site)
fields = {}
for line in open(events):
    v = json.loads(line)
    if v.get("record") != "approval" or v.get("run", "") != run:
        continue
    said = {f["name"]: f.get("value", "") for f in v["fields"]}
    if said["verb"] == verb:
        fields, service = said, v.get("service", "")
        fields["@uid"] = str(v["actor"]["uid"])
        fields["@actor"] = v["actor"]["name"] + ":" + v["actor"].get("council", "")
if not fields:
    sys.exit("no such word")
if run:
    fields["@run"] = run
fields.update({"@service": service} if service else {})
fields.update(o.split("=", 1) for o in others)
subprocess.run([work + "/append", work + "/" + site + "/state", site, "approval"] +
    [n + "=" + x for n, x in fields.items()], check=True)
END
}
