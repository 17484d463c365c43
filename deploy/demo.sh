#!/bin/sh
# Shows the main use of assay on this machine: a build that fails because its image has
# known vulnerabilities. "make demo" builds the programs first.
#
#   ADVISORIES  folder or zip file of OSV records (default: the public data of Debian,
#               or the project's own sample if it cannot be reached)
#
# With a container engine this is a real build of Dockerfile.example. Without one assay
# scans this machine's own filesystem, or a sample root of the project if that has no
# findings. Afterwards nothing is left except dist/.
set -eu
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }
# shown prints a command as a user would type it.
shown() { printf '$ %s\n' "$*"; }

work=$(mktemp -d)
label=assay.demo=$$
service=
engine=
pulled=
clean() {
	trap - EXIT HUP INT TERM
	[ -z "$service" ] || kill "$service" 2>/dev/null || true
	[ -z "$service" ] || wait "$service" 2>/dev/null || true
	if [ -n "$engine" ]; then
		docker image prune --force --filter "label=$label" >/dev/null 2>&1 || true
		[ -z "$pulled" ] || docker image rm "$pulled" >/dev/null 2>&1 || true
	fi
	rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' HUP INT TERM

advisories() {
	if [ -n "${ADVISORIES-}" ]; then
		say "Advisories from $ADVISORIES"
		dist/assayd import "$ADVISORIES" --data "$work/data"
	elif dist/assayd update --ecosystem Debian --connect-timeout 3s --feed-timeout 3m --data "$work/data" 2>"$work/update"; then
		say "Advisories: all of Debian's, from the public OSV data"
	else
		say "The public OSV data cannot be reached from here"
		tail -n 2 "$work/update"
		say "Advisories: the project's SAMPLE DATA, a few real records"
		echo "A pass with so few means nothing. ADVISORIES=FOLDER make demo uses your own."
		dist/assayd import --sample testdata/sample/advisories --data "$work/data"
	fi
}

# serve starts assayd on the first free port of a list.
serve() {
	for port in 18080 28080 38080 48080 58080; do
		url=http://127.0.0.1:$port
		: >"$work/log"
		# The demo has only the advisories of a distribution, so packages of languages are
		# reported as not evaluated. Your service has those advisories: see assayd update.
		dist/assayd serve --update-every 0 --data "$work/data" --listen "127.0.0.1:$port" \
			--public-url "$url" --without PyPI --without npm --without Maven --without Go --without crates.io \
			--without RubyGems --without Packagist --without NuGet --without CRAN 2>"$work/log" &
		service=$!
		for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
			if grep -q msg=serving "$work/log"; then
				say "assayd serves on $url"
				return
			fi
			kill -0 "$service" 2>/dev/null || break
			sleep 0.5
		done
		kill "$service" 2>/dev/null || true
		wait "$service" 2>/dev/null || true
		service=
	done
	cat "$work/log" >&2
	exit 1
}

# base sets $base to an image of Debian 12 that the engine has.
base() {
	base=debian:12-slim
	if docker image inspect "$base" >/dev/null 2>&1; then
		return
	fi
	say "Fetching $base"
	if timeout 30 docker pull --quiet "$base"; then
		pulled=$base
		return
	fi
	if [ "$(id -u)" != 0 ] || ! PATH=$PATH:/usr/sbin command -v debootstrap >/dev/null; then
		echo "No registry answers, and only root with debootstrap can make a base."
		return 1
	fi
	say "No registry answers: making a Debian 12 with debootstrap"
	root=$(testdata/roots/make.sh slim 2>"$work/debootstrap") || {
		tail -n 5 "$work/debootstrap"
		return 1
	}
	base=assay-demo-base:$$
	pulled=$base
	tar -C "$root" -c . | docker import - "$base" >/dev/null
}

# build runs the build of Dockerfile.example. It fails if the builds of this engine cannot
# reach the service.
build() {
	timeout 10 docker info >/dev/null 2>&1 || return 1
	engine=docker
	base || return 1
	mkdir "$work/context"
	# You change the same two things: the base and the address of the service. The label
	# helps to remove the images of the steps.
	sed -e "s|^FROM debian:12-slim|FROM $base\\nLABEL $label|" -e "s|https://assay.example.com|$url|" \
		Dockerfile.example >"$work/context/Dockerfile"
	say "The build of Dockerfile.example, with $base and this assayd"
	shown docker build --network host --build-arg token=TOKEN .
	status=0
	BUILDKIT_PROGRESS=plain docker build --network host --force-rm \
		--build-arg "token=$token" "$work/context" >"$work/build" 2>&1 || status=$?
	# Docker's classic builder colours the standard error of a step even without a terminal.
	sed 's/\x1b\[[0-9;]*m//g' "$work/build"
	if ! grep -q 'assay: verdict=' "$work/build"; then
		say "The builds of this engine cannot reach $url on this machine"
		return 1
	fi
	echo
	echo "docker build ended with exit code $status"
	grep -q 'assay: verdict=fail code=4' "$work/build" ||
		say "This base has none of these vulnerabilities, so nothing fails"
}

# scan scans a folder.
scan() {
	shown "assay --root $1"
	status=0
	ASSAY_TOKEN=$token dist/assay --server "$url" --root "$1" || status=$?
	echo
	echo "assay ended with exit code $status"
}

advisories
serve
token=$(dist/assayd token create --name demo --data "$work/data" 2>/dev/null)

if ! build; then
	say "Without a container engine: assay on this machine's own filesystem"
	scan /
	if [ "$status" != 4 ]; then
		say "No findings here: assay on a sample root of the project"
		scan testdata/sample/root
		[ "$status" = 4 ] || exit 1
	fi
fi

cat <<NEXT

== What to do next
- Fix it: uncomment the line with "apt-get -y upgrade" in Dockerfile.example.
- Use all records of your distribution, in the OSV format:
      ADVISORIES=FOLDER-OR-ZIP make demo
- Run the service where your builds reach it, with the advisories of languages too
  (the demo was started with --without for each of them):
      dist/assayd update --data DIR
      dist/assayd token create --name ci --data DIR
      dist/assayd serve --data DIR --listen :443 --tls-cert FILE --tls-key FILE \\
          --public-url https://assay.example.com
- Add the lines of Dockerfile.example to your own Dockerfile.
NEXT
