#!/bin/sh
# Makes a root file system that the tests inspect.
#
#   make.sh KIND [DEST]
#
# KIND  slim   Debian 12, debootstrap's minbase, without security updates; its
#              own apt sources have them, so that "apt-get upgrade" mends it
#       fat    slim with Debian's Python, Ruby, Java, PHP, Go, Node and servers,
#              and trees that npm made, in /srv: more than 80,000 files
# DEST  the folder to make; default $ROOTS/KIND, ROOTS being dist/roots in the
#       project unless it is set
#
# The folder is printed. One that stands there already and was made by this very
# script is kept. The sources are those of the host's apt and npm; needs root.
set -eu

usage() {
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

fail() {
	echo "make.sh: $*" >&2
	exit 1
}

need() {
	command -v "$1" >/dev/null || fail "$1 is missing: apt-get install $2"
}

# sources prints "SITE CODENAME COMPONENT" for each Debian source of the host.
sources() {
	# shellcheck disable=SC2016 # apt expands these
	apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' \
		'Created-By: Packages' 'Origin: Debian' | sort -u
}

# base makes Debian at $1, with the apt sources of the host.
base() {
	need debootstrap debootstrap
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
}

# tidy removes what a run or the host left behind, so that two runs give the
# same files.
tidy() {
	rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/cache/apt/*.bin \
		"$1"/var/lib/apt/lists/* "$1"/var/cache/ldconfig/aux-cache \
		"$1"/etc/resolv.conf "$1"/etc/hostname
	find "$1/var/log" -type f -delete
	: >"$1/etc/machine-id"
}

slim() {
	base "$1"
	tidy "$1"
}

# inside runs a command in the root $1, with a /proc that ends with it.
inside() {
	# shellcheck disable=SC2016 # the inner shell expands these
	unshare --mount --pid --fork sh -c \
		'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$@" </dev/null >&2
}

# tree installs packages with npm below the folder $1, as they were on a day.
tree() (
	mkdir -p "$1"
	cd "$1"
	shift
	echo '{ "name": "app", "version": "1.0.0", "private": true }' >package.json
	npm install --before=2026-09-01 --ignore-scripts --no-audit --no-fund --no-update-notifier \
		--cache "$npmcache" "$@" >&2
)

fat() {
	need npm npm
	base "$1"
	cp /etc/resolv.conf "$1/etc/resolv.conf"
	# No server is started.
	printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
	chmod 755 "$1/usr/sbin/policy-rc.d"
	inside "$1" apt-get update
	inside "$1" env DEBIAN_FRONTEND=noninteractive LC_ALL=C \
		apt-get install --yes --no-install-recommends -o Dpkg::Options::=--force-unsafe-io \
		python3-requests python3-django python3-flask python3-sqlalchemy python3-cryptography \
		python3-yaml python3-lxml python3-pil python3-numpy python3-pandas python3-scipy \
		python3-sphinx python3-pip python3-venv python3-twisted python3-boto3 ansible-core \
		ruby-rails ruby-nokogiri ruby-sinatra ruby-aws-sdk bundler puma \
		default-jre-headless openjdk-17-jdk-headless maven tomcat10 libjackson2-databind-java \
		liblog4j2-java libspring-web-java libnetty-java libcommons-collections3-java \
		php-cli php-fpm php-mysql php-xml php-symfony composer phpunit wordpress \
		golang-go restic skopeo ripgrep cargo \
		nodejs npm webpack eslint node-typescript node-express \
		nginx apache2 postgresql redis-server mariadb-server haproxy bind9 postfix \
		perl-doc liblwp-protocol-https-perl git curl vim openssh-server
	rm "$1/usr/sbin/policy-rc.d"
	npmcache=$1.npm
	tree "$1/srv/app" express react react-dom webpack eslint typescript next vite \
		date-fns rxjs lodash core-js axios @mui/material @mui/icons-material @angular/core \
		@babel/core @babel/preset-env jest aws-sdk
	tree "$1/srv/old" express@4.17.1 lodash@4.17.20 minimist@1.2.5 webpack@4.46.0 \
		axios@0.21.0 jquery@3.4.1 moment@2.29.1 node-fetch@2.6.0
	rm -rf "$npmcache"
	tidy "$1"
}

case $#:${1-} in
1:slim | 2:slim | 1:fat | 2:fat) kind=$1 ;;
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

tmp=$dest.making.$$
trap 'rm -rf "$tmp" "$tmp.npm"' EXIT
trap 'exit 1' HUP INT TERM
"$kind" "$tmp"
rm -rf "$dest" "$dest.recipe"
mv -T "$tmp" "$dest"
echo "$recipe" >"$dest.recipe"
echo "$dest"
