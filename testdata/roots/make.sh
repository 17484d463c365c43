#!/bin/sh
# Makes a root file system that the tests inspect.
#
#   make.sh KIND [DEST]
#
# KIND  slim   Debian 12, debootstrap's minbase, without security updates; its
#              own apt sources have them, so that "apt-get upgrade" mends it
#       fat    slim with Debian's Python, Ruby, Java, PHP, Go, Node and servers,
#              and in /srv what npm, pip, gem, composer, jar and go made: more
#              than 80,000 files
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

# module prints the folder of a Go module's source, which the go command fetches
# and checks. Some hold packages of other languages too.
module() {
	GOFLAGS=-mod=mod go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'
}

# pythonpackages makes a virtual environment and a folder such as functions in a
# cloud are deployed with, beside Debian's packages.
pythonpackages() {
	inside "$1" python3 -m venv /srv/venv
	for target in '' --target=/srv/function; do
		# shellcheck disable=SC2086 # empty is no argument
		inside "$1" /srv/venv/bin/pip --disable-pip-version-check --no-cache-dir install \
			--no-index --no-deps --no-build-isolation $target /srv/src/flatbuffers/python
	done
}

# gems installs a gem beside Debian's. Its extension needs a compiler, and is left out.
gems() {
	sed -i '/s\.extensions/d' "$1/srv/src/thrift/lib/rb/thrift.gemspec"
	inside "$1" sh -ec 'cd /srv/src/thrift/lib/rb && gem build thrift.gemspec &&
		gem install --local --ignore-dependencies --no-document thrift-*.gem'
}

# phppackages installs two packages with composer, of which one holds package.json
# and the like of all other languages, that are not installed.
phppackages() {
	mkdir -p "$1/srv/php"
	cat >"$1/srv/php/composer.json" <<-'END'
		{
			"name": "example/app",
			"repositories": [
				{ "type": "path", "url": "/srv/src/thrift", "options": { "symlink": false, "versions": { "apache/thrift": "0.22.0" } } },
				{ "type": "path", "url": "/srv/src/flatbuffers", "options": { "symlink": false, "versions": { "google/flatbuffers": "v25.2.10" } } },
				{ "packagist.org": false }
			],
			"require": { "apache/thrift": "*" },
			"require-dev": { "google/flatbuffers": "*" }
		}
	END
	inside "$1" env COMPOSER_ALLOW_SUPERUSER=1 composer --working-dir=/srv/php install --no-interaction
}

# javaarchives packs jars of Debian into others: unpacked into one, stored, and
# compressed twice over.
javaarchives() {
	mkdir -p "$1/srv/java"
	# shellcheck disable=SC2016 # the inner shell expands these
	inside "$1" sh -ec '
		cd /srv/java
		mkdir -p war/WEB-INF/lib boot/BOOT-INF/lib shaded ear
		cp -L /usr/share/java/jackson-databind.jar /usr/share/java/log4j-core.jar \
			/usr/share/java/commons-collections3.jar war/WEB-INF/lib
		jar --create --file app.war -C war .
		cp -L /usr/share/java/jackson-core.jar /usr/share/java/spring3-web.jar \
			/usr/share/java/netty-transport.jar boot/BOOT-INF/lib
		jar --create --no-compress --file app.jar -C boot .
		for jar in log4j-api jackson-annotations; do
			(cd shaded && jar --extract --file /usr/share/java/$jar.jar)
		done
		jar --create --file shaded.jar -C shaded .
		cp app.war ear
		jar --create --file app.ear -C ear .
		rm -r war boot shaded ear'
}

# programs makes one with Go and one with the list of crates of cargo-auditable,
# which needs the test data.
programs() {
	mkdir -p "$1/srv/bin"
	(cd "$1" && CGO_ENABLED=0 GOFLAGS=-mod=mod GOBIN="$1/srv/bin" go install -trimpath github.com/mikefarah/yq/v4@v4.45.1)
	crates=${TESTDATA:-$here/../../../shared/data}/lang/rust-audit/uses_serde_json/dep-v0.zlib
	[ -e "$crates" ] || fail "$crates is missing: set TESTDATA to the folder of the test data"
	objcopy --add-section ".dep-v0=$crates" "$1/bin/true" "$1/srv/bin/json"
}

fat() {
	need npm npm
	need go golang
	need objcopy binutils
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
	mkdir -p "$1/srv/src"
	cp -r "$(module github.com/apache/thrift@v0.22.0)" "$1/srv/src/thrift"
	cp -r "$(module github.com/google/flatbuffers@v25.2.10+incompatible)" "$1/srv/src/flatbuffers"
	chmod -R u+w "$1/srv/src"
	pythonpackages "$1"
	gems "$1"
	phppackages "$1"
	javaarchives "$1"
	programs "$1"
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
