#!/bin/sh
# Names the Debian packages that the tests need and this machine lacks. With --install
# it installs them, which needs root and apt-get. Tests whose program is missing are
# skipped.
set -eu

missing=
need() { # COMMAND PACKAGE
	PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null && return
	case "$missing " in
	*" $2 "*) ;;
	*) missing="$missing $2" ;;
	esac
}
need gcc gcc # the race detector, with the C library's headers
[ -e /usr/include/stdlib.h ] || missing="$missing libc6-dev"
need shellcheck shellcheck
need debootstrap debootstrap
need dockerd docker.io
need iptables iptables
need docker docker.io
need docker-compose docker-compose # deploy/compose.yaml
need systemd-analyze systemd # deploy/systemd/assayd.service
need systemd-nspawn systemd-container
need buildah buildah
need podman podman
need runc runc
need docker-registry docker-registry # what builds push to
need htpasswd apache2-utils # a registry with a password
need skopeo skopeo # archives of images
need unshare util-linux
need rpm rpm # the native order of rpm versions, and signed packages
need gpg gnupg
need vercmp makepkg # the native order of pacman's versions
need pacman pacman-package-manager
need bsdtar libarchive-tools # for makepkg
need fakeroot fakeroot
need db5.3_dump db5.3-util # Berkeley DB files of other page sizes and byte orders
need sqlite3 sqlite3
found() { # PATH… one of which exists
	for path; do
		[ ! -e "$path" ] || return 0
	done
	return 1
}
found /usr/lib/postgresql/*/bin/postgres || missing="$missing postgresql" # the store that replicas share
need haproxy haproxy # in front of replicas
need promtool prometheus # the alert rules
need python3 python3
{ python3 -c 'import requests' || /usr/bin/python3 -c 'import requests'; } 2>/dev/null || missing="$missing python3-requests" # the users' script for Clair
need chromium chromium # opens the pages of the service
need xmllint libxml2-utils # the schema of JUnit
need jq jq # what scripts read reports with
# the shells and download tools that install.sh supports
need busybox busybox-static
need dash dash
need curl curl
need wget wget
need openssl openssl
need perl perl
# The tests read the man pages and completions with their own programs.
need groff groff-base
need mandoc mandoc
need zsh zsh
need fish fish
need qemu-aarch64-static qemu-user-static # the arm64 client
# The native orders of versions: npm's semver, gem, packaging, Maven, Composer.
need node nodejs
found /usr/lib/node_modules/npm/node_modules/semver /usr/local/lib/node_modules/npm/node_modules/semver \
	/usr/share/nodejs/semver || missing="$missing node-semver"
need ruby ruby
python3 -c 'import pip._vendor.packaging.version' 2>/dev/null || missing="$missing python3-pip"
need javac default-jdk-headless
found /usr/share/java/maven-artifact-3.x.jar || missing="$missing libmaven3-core-java"
need php php-cli
found /usr/share/php/Composer/Semver/autoload.php || missing="$missing php-composer-semver"
# The package managers of languages, with which the inventory is compared: venv, npm, gem
# and bundle, Composer and PEAR, jar, and objcopy for the crates in a program.
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
need npm npm
need gem ruby
need bundle bundler
need git git
need composer composer
need pear php-pear
need jar default-jdk-headless
need objcopy binutils
[ -e /usr/share/distro-info/debian.csv ] || missing="$missing distro-info-data" # ends of support
[ -n "$missing" ] || exit 0

if [ "${1-}" != --install ]; then
	echo "needs: missing:$missing" >&2
	echo "needs: the tests that need them are skipped; to install them: make deps" >&2
	exit 0
fi
sudo=
[ "$(id -u)" = 0 ] || sudo="sudo -n"
if ! command -v apt-get >/dev/null || ! $sudo true; then
	echo "needs: cannot install$missing: this needs root and apt-get" >&2
	exit 1
fi
echo "needs: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # a list of words
if ! { $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	echo "needs: apt-get could not install$missing" >&2
	exit 1
fi
