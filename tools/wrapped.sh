#!/bin/sh
# wrapped.sh FILE...: the functions whose __wrap_ twin FILE defines, one a line;
# WRAP(type, bad, name, ...) defines one, too.
{
	grep -ho '__wrap_[A-Za-z0-9_]*(' "$@" | sed 's/__wrap_//; s/(//'
	sed -n 's/^WRAP([^,]*, [^,]*, \([a-z0-9_]*\),.*/\1/p' "$@"
} | sort -u
