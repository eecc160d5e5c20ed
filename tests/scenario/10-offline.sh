#!/bin/sh
# The offline commands through the real program: round trips, every form of a
# snapshot's name, every option, every exit code that one machine can cause.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

json() { python3 "$TOOLS/json_lines.py" "$@" <"$WORK/.out"; }

# --- what is wrong with the command line: 2
expect 2 'no command' "$B"
expect 2 'an unknown command' "$B" frobnicate; says 'frobnicate' '\-\-help'
expect 2 '... before an option' "$B" seek --nonsense x
says "no command 'seek'"
expect 2 '... in JSON' "$B" --json seek -x
holds '... an error and a summary' json error:code=input,exit=2 summary:exit=2
expect 2 '... that wants help' "$B" frobnicate --help
expect 2 'half a command' "$B" policy; says 'policy check' 'policy explain'
expect 0 '... with --help' "$B" key --help; says 'key show \[FILE\]'
fails '... of its own only' grep -q restore .out
expect 2 'an unknown option' "$B" -r repo ls --nonsense latest
says "'ls' has no option" 'bascule ls --help'
expect 2 'a missing operand' "$B" -r repo ls
expect 2 'one operand too many' "$B" -r repo check now
expect 2 'a missing value' "$B" -r repo restore latest --to
expect 2 'no repository named' "$B" snapshots; says BASCULE_REPOSITORY
expect 0 'version' "$B" --version; says '^bascule [0-9]'
expect 0 'help' "$B" --help; says 'restore SNAPSHOT'
expect 0 'help of a command' "$B" restore --help; says '\-\-overwrite'

# --- no such repository: 10
for c in snapshots check 'ls latest' 'restore latest --to out' \
    'cat latest /x' 'backup /etc/hostname'; do
	# shellcheck disable=SC2086
	expect 10 "no repository: $c" "$B" -r nowhere $c
done
says 'init' '-r'
fails 'nothing was made on the way' test -e nowhere -o -e out
touch file
expect 10 'a file is no repository' "$B" -r file check
expect 10 '... in JSON' "$B" -r file/repo --json check
holds '... with that exit code' json error:exit=10 summary:exit=10

# --- init
expect 0 'init' "$B" -r repo init
says 'escrow' 'repo.key'
is 'the key is private' "$(stat -c %a repo.key repo.key.escrow | tr '\n' ' ')" '600 600 '
before=$(print_of repo; cat repo.key | sha256sum)
expect 1 'init again' "$B" -r repo init
says "there is a repository in 'repo' already" 'it and its keys are in use'
fails '... not a word of moving keys away' grep -q 'key file\|existing-key' .err
is '... changed nothing' "$(print_of repo; cat repo.key | sha256sum)" "$before"
expect 0 'init in JSON, key elsewhere' "$B" -r other --json init --key-file keys.other
holds '... one summary' json summary:repository=str,key_file=str,escrow_file=str,wrapped=bool
holds '... the key is there' test -s keys.other -a -s keys.other.escrow
fails '... and not beside' test -e other.key

# --- key files without a repository
expect 0 'key new' "$B" --json key new family
holds '... one summary' json summary:key_file=str,escrow_file=str,wrapped=bool
expect 1 'key new again' "$B" key new family; says 'never overwritten'
expect 0 'key show' "$B" key show family
says '^roles *write read admin$' '^wrapped *no$' 'writer key *SHA256:' 'this key'
expect 0 'key show of the escrow key' "$B" --json key show family.escrow
holds '... recipients and a summary' json 'recipient*' \
    summary:roles=read,wrapped=bool,family=str,admin=str,recipients=int
fails '... which has no writer key' grep -q '"writer"' .out
(umask 077; echo 'a long passphrase' >pass)
BASCULE_PASSPHRASE_FILE=pass expect 0 'a wrapped one' "$B" key new wrapped
expect 12 '... is not shown without its passphrase' "$B" key show wrapped
BASCULE_PASSPHRASE_FILE=pass expect 0 '... and with it' "$B" key show wrapped
says '^wrapped *by a passphrase$'
fails '... no secret word in it' grep -qi 'long passphrase' .out .err
expect 0 'init with such a key' "$B" -r third init --existing-key --key-file family
BASCULE_KEY_FILE=family expect 0 '... which serves' "$B" -r third backup /etc/hostname
expect 12 'without a file there is none to show' "$B" key show nowhere; says 'key combine'

# --- a tree
mkdir -p src/a/b src/cache src/empty
echo one >src/a/one; seq 200000 >src/a/b/numbers; head -c 3000000 /dev/urandom >src/noise
echo keep >src/keep.txt; echo log >src/a/x.log; ln -s a/one src/link
printf 'Signature: 8a477f597d28d172789f06886806bc55\n' >src/cache/CACHEDIR.TAG
echo cached >src/cache/data
printf 'raw' >"$(printf 'src/raw-\377\n\033[31m')"

expect 0 'a dry run' "$B" -r repo --json backup --dry-run "$PWD/src"
holds '... says what it would do' json summary:dry_run=bool,files=int,bytes=int,new_bytes=int
is '... not what it cannot know' "$(grep -c stored .out)" 0
is '... and stores nothing' "$(snapshots_of repo)" 0
is '... no pack either' "$(find repo/packs -type f | wc -l)" 0

expect 0 'a backup' "$B" -r repo --json backup --tag first "$PWD/src"
holds '... and its summary' json \
    'progress*' summary:snapshot=str,files=int,bytes=int,new_bytes=int,seconds=num,service=local
first=$(sed -n 's/.*"snapshot":"\([0-9a-f]*\)".*/\1/p' .out)
is '... a whole id' ${#first} 64
expect 0 'restored' "$B" -r repo restore latest --to out
same '... the same' src "out$PWD/src"
expect 0 'the same again' "$B" -r repo --json backup "$PWD/src"
new=$(sed -n 's/.*"new_bytes":\([0-9]*\).*/\1/p' .out)
holds '... adds nothing but a page (the folder above it changed)' test "$new" -lt 4096
expect 0 'check' "$B" -r repo check
expect 0 'check --read' "$B" -r repo check --read; says 'no damage'
expect 0 'check --open' "$B" -r repo check --open
mv repo.key hidden.key
expect 0 'check --read needs no key' "$B" -r repo check --read
expect 0 'snapshots need none' "$B" -r repo snapshots; says "$PWD/src"
expect 12 'ls does' "$B" -r repo ls latest; says 'repo.key'
expect 12 'restore does' "$B" -r repo restore latest --to never
expect 12 'backup does' "$B" -r repo backup src
fails '... and nothing is made' test -e never
mv hidden.key repo.key
expect 0 'the escrow key restores' env BASCULE_KEY_FILE=repo.key.escrow \
    "$B" -r repo restore latest --to out-escrow
same '... the same' src "out-escrow$PWD/src"
expect 12 '... and saves nothing' env BASCULE_KEY_FILE=repo.key.escrow \
    "$B" -r repo backup src
expect 12 "another family's key" env BASCULE_KEY_FILE=keys.other \
    "$B" -r repo ls latest
cp repo.key moved.key
expect 0 'environment instead of options' env BASCULE_REPOSITORY=repo \
    BASCULE_KEY_FILE=moved.key "$B" ls latest

# --- services, datasets, names of snapshots
echo two >src/a/two
expect 0 'a series of its own' "$B" -r repo --json backup --service housing \
    --dataset files "$PWD/src"
second=$(sed -n 's/.*"snapshot":"\([0-9a-f]*\)".*/\1/p' .out)
expect 0 'a second dataset' "$B" -r repo backup --service housing \
    --dataset logs "$PWD/src/a"
listed() { "$B" -r repo ls "$@" 2>/dev/null | sed "s|^$PWD/||" | tr '\n' ' '; }
holds 'latest is the newest of all' sh -c "[ '$(listed latest | wc -w)' -gt 0 ]"
fails '... which has no noise' sh -c "'$B' -r repo ls latest | grep -q noise"
holds 'latest:SERVICE/DATASET' sh -c "'$B' -r repo ls latest:housing/files | grep -q noise"
holds 'latest:SERVICE' sh -c "'$B' -r repo ls latest:housing | grep -q x.log"
fails 'an older series is as it was' sh -c "'$B' -r repo ls latest:local | grep -q a/two"
expect 0 'a prefix' "$B" -r repo ls "$(printf %.8s "$first")"
expect 0 'a whole id' "$B" -r repo ls "$second"
expect 1 'a prefix of none' "$B" -r repo ls ffffffff0000
expect 1 'an unknown service' "$B" -r repo ls latest:nobody
is ':/sub/tree' "$(listed "$first:$PWD/src/a")" \
    'src/a src/a/b src/a/b/numbers src/a/one src/a/x.log '
is 'SNAPSHOT PATH' "$(listed "$first" "$PWD/src/a/b")" 'src/a/b src/a/b/numbers '
expect 0 'a subtree goes right into the folder' "$B" -r repo restore \
    "$second:$PWD/src/a" --to sub
same '... the same' src/a sub
expect 0 'a single file' "$B" -r repo restore "$second:$PWD/src/a/one" --to single
expect 1 'a subtree that is not there' "$B" -r repo restore "$second:/no/such" --to nothere
fails '... makes nothing' test -e nothere/no
expect 0 'two paths of it' "$B" -r repo restore latest:housing/files --to part \
    --path "$PWD/src/a/one" --path "$PWD/src/empty"
is '... and nothing else' "$(cd "part$PWD/src" && find . | sort | tr '\n' ' ')" \
    '. ./a ./a/one ./empty '
expect 1 'a path that is not there' "$B" -r repo restore latest:housing/files \
    --to part2 --path /no/such
"$B" -r repo cat "$first" "$PWD/src/a/b/numbers" >numbers
holds 'cat' cmp numbers src/a/b/numbers
"$B" -r repo cat "latest:local:$PWD/src/noise" >noise
holds 'cat of SNAPSHOT:PATH' cmp noise src/noise
expect 2 'cat of a folder' "$B" -r repo cat latest:local "$PWD/src/a"
expect 1 'cat of nothing' "$B" -r repo cat latest:local /nothing

# --- what --json says
expect 0 'snapshots in JSON' "$B" -r repo --json snapshots
holds '... one a line' json snapshot:snapshot=str,service=str,dataset=str,started=str,files=int,bytes=int,partial=bool,tags=list 'snapshot*' summary:snapshots=4
holds 'they are listed as they were made' sh -c "grep -o '\"started\":[^,]*' .out | sort -c"
expect 0 'of one service' "$B" -r repo --json snapshots --service housing
holds '... two' json 'snapshot*' summary:snapshots=2
expect 0 'ls in JSON' "$B" -r repo --json ls "$first"
holds '... entries and a summary' json 'entry*:path=str,kind=str,mode=int,uid=int,gid=int,bytes=int,mtime=str' summary:entries=int
holds '... a raw name in base64' json --path-b64 "$PWD/$(printf 'src/raw-\377\n\033[31m')"
expect 0 'ls in text' "$B" -r repo ls -l "$first"
says 'raw-\\xff\\n\\x1b' '-> a/one'
fails '... never raw' grep -aq "$(printf '\033')" .out
expect 0 'check in JSON' "$B" -r repo --json check --read
holds '... a summary' json 'progress*' summary:packs=int,snapshots=4,bytes=int,damaged=0,seconds=num
expect 0 'restore in JSON' "$B" -r repo --json restore "$first" --to out-json
holds '... a summary' json 'progress*' summary:files=int,bytes=int,owners_kept=int,failed=0,seconds=num
expect 1 'an error in JSON' "$B" -r repo --json ls latest:nobody
holds '... says so, and a summary ends it' json error:exit=1 summary:exit=1
expect 10 'no repository in JSON' "$B" -r nowhere --json snapshots
holds '... says so' json error:exit=10 summary:exit=10
expect 1 'a file that is not there, with --json' "$B" -r repo --json cat latest /none
is '... the output is only for the file' "$(wc -c <.out)" 0
mv .err .out
holds '... the lines are beside it' json error:exit=1 summary:exit=1
expect 0 'the version in JSON' "$B" --json --version
holds '... one summary' json summary:version=str

# --- what is left out
cat >patterns <<'END'
# a comment
*.log

/a/b
END
expect 0 '--exclude and friends' "$B" -r repo backup --dataset less \
    --exclude '*.log' --exclude 'noise' --exclude-caches "$PWD/src"
is '... left out' "$("$B" -r repo ls latest | grep -cE 'x\.log|noise|cached|cache/data')" 0
is '... the rest is there' "$("$B" -r repo ls latest | grep -cE 'keep.txt|numbers|a/one')" 3
expect 0 '--exclude-file' "$B" -r repo backup --dataset less2 \
    --exclude-file patterns "$PWD/src"
is '... left out' "$("$B" -r repo ls latest | grep -cE '\.log')" 0
expect 0 'an exclude file that is none' "$B" -r repo backup --dry-run \
    --exclude-file /dev/null "$PWD/src"
mkfifo from
(cat patterns >from &)
expect 0 'one that is a FIFO' timeout 20 "$B" -r repo --json backup --dry-run \
    --exclude-file from "$PWD/src"
piped=$(grep -o '"files":[0-9]*' .out)
expect 0 'standard input' sh -c "'$B' -r repo --json backup --dry-run \
    --exclude-file - '$PWD/src' <patterns"
is '... leaves out the same' "$(grep -o '"files":[0-9]*' .out)" "$piped"
expect 0 'the same from a file' "$B" -r repo --json backup --dry-run \
    --exclude-file patterns "$PWD/src"
is '... leaves out the same' "$(grep -o '"files":[0-9]*' .out)" "$piped"
expect 1 'an exclude file that is a folder' "$B" -r repo backup \
    --exclude-file src "$PWD/src"; says 'exclude file'
expect 1 'an exclude file that is not there' "$B" -r repo backup --exclude-file none src
expect 2 'a bad compression' "$B" -r repo backup --compression 99 src
expect 2 'a bad chunking' "$B" -r repo backup --chunking 'fixed 3' src
for how in fast max off 7; do
	expect 0 "--compression $how" "$B" -r repo backup --dataset "c$how" \
	    --compression $how "$PWD/src"
done
expect 0 '--chunking fixed' "$B" -r repo backup --dataset fixed \
    --chunking 'fixed 64KiB' "$PWD/src"
expect 0 '... restored' "$B" -r repo restore latest --to fixed
same '... the same' src "fixed$PWD/src"
expect 0 '--one-file-system' "$B" -r repo backup --dataset ofs -x "$PWD/src"

# --- a command's output
expect 0 'a command' "$B" -r repo --json backup --service db --dataset dump \
    --command -- seq 1 300000
"$B" -r repo ls latest:db >.out
name=$(head -n 1 .out)
"$B" -r repo cat latest:db "$name" >dump
seq 1 300000 >seq
holds '... its output' cmp dump seq
n=$(snapshots_of repo)
expect 2 'paths and a command' "$B" -r repo backup src --command -- true
says 'not both'
expect 1 'a failing command' "$B" -r repo backup --service db --command -- \
    sh -c 'echo some; echo "disk on fire" >&2; exit 3'
says 'disk on fire'
is '... makes no snapshot' "$(snapshots_of repo)" "$n"
expect 1 'a command that is not there' "$B" -r repo backup --command -- /no/such/program
expect 1 'a command that is killed' "$B" -r repo backup --command -- sh -c 'kill -9 $$'
is '... still none' "$(snapshots_of repo)" "$n"
fails 'what was written for it is swept' test -n "$(find repo/tmp -type f)"

# --- what is there already
rm -rf into; mkdir -p "into$PWD"; cp -a src "into$PWD/src"
target=into$PWD/src
echo changed >"$target/a/one"; echo stray >"$target/stray"
touch -d '2001-01-01' "$target/keep.txt"
cp -a into into2; cp -a into into3; cp -a into into4
expect 0 '--overwrite never' "$B" -r repo restore latest:housing/files --to into \
    --overwrite never
is '... what was there stays' "$(cat "$target/a/one")" changed
expect 0 '--overwrite differing' "$B" -r repo restore latest:housing/files --to into2
is '... is put right' "$(cat "into2$PWD/src/a/one")" one
is '... others stay' "$(cat "into2$PWD/src/stray")" stray
rm "into2$PWD/src/stray"; touch -r src "into2$PWD/src"
same '... the same' src "into2$PWD/src"
expect 0 '--delete --dry-run' "$B" -r repo restore latest:housing/files --to into3 \
    --delete --dry-run
same '... changes nothing' into into4 --no-owner || :
is '... the stray is there' "$(cat "into3$PWD/src/stray")" stray
expect 0 '--delete' "$B" -r repo restore latest:housing/files --to into3 --delete
same '... the same, nothing else' src "into3$PWD/src"
expect 0 '--overwrite always' "$B" -r repo restore latest:housing/files --to into4 \
    --overwrite always --delete
same '... the same' src "into4$PWD/src"
expect 2 '--overwrite sometimes' "$B" -r repo restore latest --to into --overwrite sometimes
expect 0 '--verify' "$B" -r repo restore latest:housing/files --to verified --verify
same '... the same' src "verified$PWD/src"

# --- Ctrl-C
n=$(snapshots_of repo)
for signal in INT:2 TERM:15; do
	number=${signal#*:} signal=${signal%:*}
	mkfifo "wait-$signal"
	# A shell starts what is in the background deaf to SIGINT.
	python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' \
	    "$B" -r repo backup --service stop --command -- \
	    sh -c "echo begun; echo >wait-$signal; sleep 60" >.out 2>.err &
	pid=$!
	remember $pid
	read -r _ <"wait-$signal"
	kill -$signal $pid
	wait $pid
	is "stopped by SIG$signal" $? $((128 + number))
done
is '... makes no snapshot' "$(snapshots_of repo)" "$n"
expect 0 'the repository is whole' "$B" -r repo check --open
expect 0 'a backup after that' "$B" -r repo backup "$PWD/src"
expect 0 'no session is left' sh -c '[ -z "$(ls repo/sessions repo/tmp | grep -v :)" ]'

# --- output that nobody takes
holds 'a reader that had enough' sh -c "'$B' -r repo ls latest | head -n 1 | grep -q /"
expect 14 'a full output' sh -c "'$B' -r repo ls latest >/dev/full"
expect 14 '... of cat' sh -c "'$B' -r repo cat latest '$PWD/src/noise' >/dev/full"

finish
