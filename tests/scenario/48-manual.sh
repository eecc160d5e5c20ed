#!/bin/sh
# The manual: every command and every option that --help knows stands in
# bascule.1 and nothing else does; the same of basculed.8, and of the settings in
# bascule-policy.5; the pages are well formed; what their examples say works.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"
man=$TOP/man

# "command", "command -n" and "command --dry-run ARGUMENT" a line.
options_of() { sed -n 's/^  \(-.\), \(--[^ ]*\).*/\1\n\2/p; s/^  \(--[^ ]*\).*/\1/p'; }
"$B" --help >help
sed -n '/^commands:/,/^options/s/^  \([a-z].*\)/\1/p' help | sed 's/  .*//' | while read -r line; do
	# Its words come before operands: capitals, a choice, an option.
	set --
	for word in $line; do
		case $word in
		-* | *[!a-z-]*) break ;;
		*) set -- "$@" "$word" ;;
		esac
	done
	echo "$*"
	"$B" "$@" --help | sed -n '/^options:/,/^options of every/p' | options_of |
	    sed "s/^/$* /"
done | sort >said
sed -n '/^options of every/,$p' help | options_of | sed 's/^/* /' | sort >>said
python3 - "$man/bascule.1" >written <<'EOF'
import re, sys
command, lines = "*", set()
for line in open(sys.argv[1]):
    if line.startswith((".Sh ENVIRONMENT", ".Sh FILES")):
        break
    m = re.match(r"\.It Cm ([a-z -]+?)(?= Oo| Ar| Fl|$)", line)
    if m:
        command = m[1]
        lines.add(command)
    elif line.startswith(".It Fl"):
        for name in re.findall(r"Fl (\S+)", line):
            lines.add(f"{command} -{name}")
print(*sorted(lines), sep="\n")
EOF
LC_ALL=C sort said >said.sorted; LC_ALL=C sort written >written.sorted
is 'there is much to say' "$(($(wc -l <said) > 150))" 1
is 'bascule.1 has every command and option, and no other' \
    "$(diff said.sorted written.sorted)" ''

"$DAEMON" --help | sed -n 's/^  \(--*[a-z]*\).*/\1/p' | sort >said
sed -n 's/^\.It Fl \([a-z-]*\).*/-\1/p' "$man/basculed.8" | sort >written
is 'basculed.8 too' "$(diff said written)" ''

# group and setting a line, from the table that loads policies
"$B" policy reference | awk '/^## bascule.conf/ { on = 1 } !on { next }
    /^## / { group = $2 } /^\| `/ { gsub(/`/, "", $2); print group, $2 }' | sort >said
awk '/^\.Ss Groups/ { on = 1 } /^\.Sh FILES/ { on = 0 } !on { next }
    /^\.It / { group = $3 } /^\.Li / { print group, $2 }' \
    "$man/bascule-policy.5" | sort >written
is 'there are settings' "$(($(wc -l <said) > 150))" 1
is 'bascule-policy.5 has every setting, and no other' "$(diff said written)" ''

# --- what the pages say can be done
cp -R "$TOP/policies" p && chmod -R go-w p && rm p/services/* p/scenarios/*
sed -n '/^\.Sh EXAMPLES/,$p' "$man/bascule-policy.5" |
    sed -n '/^\.Bd/,/^\.Ed/{/^\./!p}' >p/services/housing.conf
(umask 077; : >p/brent.key; : >p/id_ed25519)
holds 'the policy of its example is good' "$B" policy check p
for code in $(sed -n 's/^| \([0-9]*\) |.*/\1/p' "$TOP/docs/EXIT-CODES.md"); do
	grep -q "^\.It $code\$" "$man/bascule.1" || not_ok "exit code $code"
done
ok 'every exit code is told of'

# --- and that they can be read
if command -v mandoc >/dev/null; then
	for page in "$man"/*; do
		is "${page##*/}: mandoc" "$(mandoc -T lint -W warning "$page" 2>&1)" ''
	done
elif command -v groff >/dev/null; then
	for page in "$man"/*; do
		is "${page##*/}: groff" "$(groff -ww -mandoc -z "$page" 2>&1)" ''
	done
fi
holds 'they are installed' make -s -C "$TOP" BUILD="$BUILD" DESTDIR="$WORK/root" PREFIX=/usr install
is '... where man looks' "$(cd root/usr/share/man && ls -d man*/bascule*)" \
    'man1/bascule.1
man5/bascule-format.5
man5/bascule-policy.5
man7/bascule-recovery.7
man8/basculed.8'
finish
