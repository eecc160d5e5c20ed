#!/bin/sh
# What `bascule completion` prints, in the shells themselves: after every
# beginning of a command line they offer what --help lists, and nothing else.
IN_MEMORY=1
. "$(dirname "$0")/../support/scenario.sh"

# What a shell offers behind these words, the last of which is being typed.
bash_offers() {
	bash --norc -c '. "$WORK/bash"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
	    _bascule bascule "${COMP_WORDS[COMP_CWORD]}"
	    printf "%s\n" "${COMPREPLY[@]}"' bash bascule "$@"
}
# zsh shows a list to a person only: _describe, which would, prints instead.
zsh_offers() {
	zsh -f -c 'compdef() {}; _files() {}
	    _describe() { [[ $1 == -o ]] && shift; shift
	        for a; do [[ $a == -- ]] || print -l -- ${${(P)a}%%:*}; done }
	    . "$WORK/zsh"; words=("$@") CURRENT=$#; PREFIX=$words[CURRENT]
	    _bascule' zsh bascule "$@"
}
fish_offers() {
	HOME=$WORK/home fish --no-config -c 'source "$WORK/fish"
	    complete -C "$argv"' "bascule $*" | cut -f1
}

# first words of all commands, the second words of a group, all options
words_of() {
	"$B" $1 --help | sed -n '/^commands:/,/^$/s/^  \([a-z].*\)/\1/p' |
	    if [ -z "$1" ]; then sed 's/ .*//'; else
	    sed -n "s/^$1 \([a-z-]*\).*/\1/p"; fi | sort -u
}
options_of() {
	"$B" $1 --help | sed -n 's/^  \(-.\), \(--[a-z-]*\).*/\1\n\2/p
	    s/^  \(--[a-z-]*\).*/\1/p' | sort -u
}

export WORK
mkdir empty && cd empty # or names of files were offered, too
for shell in bash zsh fish; do
	if ! command -v $shell >/dev/null; then
		skip "$shell" 'it is not here'
		continue
	fi
	expect 0 "$shell: its script" "$B" completion $shell
	cp "$WORK/.out" "$WORK/$shell"
	holds "$shell takes it" $shell -n "$WORK/$shell"
	is "$shell: the commands" "$(${shell}_offers '' | sort -u)" \
	    "$(words_of '')"
	is "$shell: ... behind options" \
	    "$(${shell}_offers --json -r backup '' | sort -u)" "$(words_of '')"
	for group in key policy exercise evidence failover hold; do
		is "$shell: $group" "$(${shell}_offers $group '' | sort -u)" \
		    "$(words_of $group)"
	done
	for command in init backup 'key new' 'exercise start' prune; do
		is "$shell: options of $command" \
		    "$(${shell}_offers $command -- | grep '^--' | sort -u)" \
		    "$(options_of "$command" | grep '^--')"
	done
	is "$shell: nothing behind an operand but options" \
	    "$(${shell}_offers ls latest '' | sort -u)" ''
done
expect 2 'a shell that has none' "$B" completion tcsh; says 'bash, zsh and fish'

finish
