#!/bin/sh
# Makes a root file system that the tests inspect.
#
#   make.sh KIND [DEST]
#
# KIND  slim   Debian 12, debootstrap's minbase, without security updates; its
#              own apt sources have them, so that "apt-get upgrade" mends it
# DEST  the folder to make; default $ROOTS/KIND, ROOTS being dist/roots in the
#       project unless it is set
#
# The folder is printed. One that stands there already and was made by this very
# script is kept. The sources are those of the host's apt; needs root.
set -eu

usage() {
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

fail() {
	echo "make.sh: $*" >&2
	exit 1
}

# sources prints "SITE CODENAME COMPONENT" for each Debian source of the host.
sources() {
	# shellcheck disable=SC2016 # apt expands these
	apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' \
		'Created-By: Packages' 'Origin: Debian' | sort -u
}

slim() {
	suite=bookworm
	hostsources=$(sources)
	if [ -z "$hostsources" ]; then
		apt-get update >&2
		hostsources=$(sources)
	fi
	# The suite without a suffix is the archive itself; its name is the host's.
	hostsuite=$(echo "$hostsources" | awk '$2 !~ /-/ && $3 == "main" { print $2; exit }')
	mirror=$(echo "$hostsources" | awk '$2 !~ /-/ && $3 == "main" { print $1; exit }')
	[ -n "$mirror" ] || fail "the host's apt has no source of Debian's main archive"

	debootstrap --variant=minbase "$suite" "$1" "$mirror" >&2

	echo "$hostsources" | sed "s/ $hostsuite/ $suite/" |
		awk '{ c[$1 " " $2] = c[$1 " " $2] " " $3 } END { for (s in c) print "deb " s c[s] }' |
		sort >"$1/etc/apt/sources.list"
	apt-config dump | grep -E '^Acquire::(Check-Valid-Until|Check-Date|Retries|https?::)' \
		>"$1/etc/apt/apt.conf.d/90host" || true

	# What a run or the host left behind, so that two runs give the same files.
	rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/cache/apt/*.bin \
		"$1"/var/lib/apt/lists/* "$1"/var/cache/ldconfig/aux-cache \
		"$1"/etc/resolv.conf "$1"/etc/hostname
	find "$1/var/log" -type f -delete
	: >"$1/etc/machine-id"
}

case $#:${1-} in
1:slim | 2:slim) kind=$1 ;;
*) usage ;;
esac

here=$(cd "$(dirname "$0")" && pwd)
dest=${2:-${ROOTS:-$here/../../dist/roots}/$kind}
mkdir -p "$(dirname "$dest")"
dest=$(cd "$(dirname "$dest")" && pwd)/$(basename "$dest")
recipe=$(cksum <"$0")

# One at a time: the test packages of one run share the folder.
exec 9>"$dest.lock"
flock 9
if [ -d "$dest" ] && [ "$(cat "$dest.recipe" 2>/dev/null)" = "$recipe" ]; then
	echo "$dest"
	exit
fi
[ "$(id -u)" = 0 ] || fail "making a root needs root"
command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"

tmp=$dest.making.$$
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
"$kind" "$tmp"
rm -rf "$dest" "$dest.recipe"
mv -T "$tmp" "$dest"
echo "$recipe" >"$dest.recipe"
echo "$dest"
