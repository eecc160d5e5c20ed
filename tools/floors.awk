# floors.awk: fail if any module includes what lib/FLOORS does not let it.
# usage: awk -f tools/floors.awk lib/FLOORS FILE...
# NAME covers NAME*.h, libNAME*.h and NAME/...
function wrapper(h,  n) {
	for (n in wraps)
		if (index(h, n) == 1 || index(h, "lib" n) == 1)
			return wraps[n]
	return ""
}
function bad(why) { print FILENAME ":" FNR ": " why; failed = 1 }
FILENAME == ARGV[1] {
	sub(/#.*/, ""); if (NF == 0) next
	may[$1, $1] = known[$1] = 1
	for (i = 2; i <= NF && $i != "|"; i++) {
		if (!($i in known)) bad($1 " names " $i ", which is not below it")
		may[$1, $i] = 1
	}
	for (i++; i <= NF; i++) wraps[$i] = $1		# a library's name
	next
}
FNR == 1 {					# whose file is this?
	me = FILENAME
	sub(/^(include\/bascule\/|lib\/)/, "", me); sub(/[\/.].*/, "", me)
	if (!(me in known)) { bad("module " me " is not in lib/FLOORS"); nextfile }
}
/^[ \t]*#[ \t]*include/ {
	h = $0; sub(/^[^<"]*[<"]/, "", h); sub(/[>"].*/, "", h)
	if (h ~ /^bascule\//) {
		m = substr(h, 9); sub(/[\/.].*/, "", m)
		if (!((me, m) in may)) bad(me " may not include " h)
	} else if ((w = wrapper(h)) != "" && w != me)
		bad("only " w " may include " h)
	else if ($0 ~ /"/ && h ~ /\//)
		bad("quoted includes stay in the module's own folder: " h)
}
END { exit failed }
