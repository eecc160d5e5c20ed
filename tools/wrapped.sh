#!/bin/sh
# wrapped.sh FILE...: the functions whose __wrap_ twin FILE defines, one a line.
grep -ho '__wrap_[A-Za-z0-9_]*(' "$@" | sed 's/__wrap_//; s/(//' | sort -u
