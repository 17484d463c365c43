#!/bin/sh
# Installs assay for this machine from an assayd:
#
#   curl -fsS https://assay.example.com/install.sh | sh
#   curl -fsS https://assay.example.com/install.sh | sh -s -- DIR
#
# The default for DIR is /usr/local/bin. assayd writes its address into the script that it
# serves. A copy from another place needs the address in ASSAYD_URL.
#
# The script checks the digest before it makes the file executable. If it fails, it leaves
# nothing behind. In a Dockerfile use ADD instead: then the builder downloads assay, and no
# tool of the image is involved.
set -eu
LC_ALL=C
export LC_ALL

served='@ASSAYD_URL@'

die() { # WHAT HINT
	printf 'install.sh: error: %s\nhint: %s\n' "$1" "$2" >&2
	exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# The last line calls main, so that a script that is cut off does nothing.
main() {
	[ $# -le 1 ] || die "$# arguments were given, only a folder is accepted" "sh install.sh [DIR]"
	dir=${1:-/usr/local/bin}
	address
	architecture
	if ! has curl && ! has wget; then
		die "neither curl nor wget is installed" "install one of them, or ADD $url/linux/$arch/assay in the Dockerfile"
	fi
	[ -d "$dir" ] || die "the folder $dir does not exist" "create it, or name another one: sh install.sh DIR"
	[ ! -d "$dir/assay" ] || die "$dir/assay is a folder" "name another folder: sh install.sh DIR"

	tmp=
	trap '[ -z "$tmp" ] || rm -rf "$tmp"' EXIT
	trap 'exit 1' HUP INT PIPE TERM
	place=$dir/.assay.$$
	said=$(mkdir -m 700 "$place" 2>&1) ||
		die "$dir cannot be written: $said" "run it as a user who can write there, or name another folder: sh install.sh DIR"
	tmp=$place

	fetch "$url/linux/$arch/assay.sha256" "$tmp/sum"
	want=
	read -r want _ <"$tmp/sum" || :
	case $want in
	*[!0-9a-f]* | '') want= ;;
	esac
	[ "${#want}" -eq 64 ] ||
		die "$url/linux/$arch/assay.sha256 is not a digest" "is this assayd? the answer may come from a proxy or a login page"

	fetch "$url/linux/$arch/assay" "$tmp/assay"
	digest "$tmp/assay"
	[ "$got" = "$want" ] || die "the digest of assay is $got, not $want" \
		"run it again: the service may have been updated in between; if the error stays, a proxy changes the file"

	said=$(chmod 755 "$tmp/assay" 2>&1) || die "chmod: $said" "does $dir allow programs?"
	said=$(mv -f "$tmp/assay" "$dir/assay" 2>&1) || die "$dir/assay cannot be replaced: $said" "run it as a user who can write there"
	echo "assay is installed as $dir/assay, for $url"
}

# address sets url. The address in the script takes precedence over the variable, because
# a base image could set the variable.
address() {
	url=$served
	case $served in
	@*) url=${ASSAYD_URL:-} ;;
	*)
		[ "${ASSAYD_URL:-$served}" = "$served" ] ||
			echo "install.sh: note: ASSAYD_URL is set and was ignored: this script is for $served" >&2
		;;
	esac
	url=${url%/}
	case $url in
	http://?* | https://?*) ;;
	'') die "this copy of install.sh has no address of assayd" "download it from your assayd, https://.../install.sh, or set ASSAYD_URL" ;;
	*) die "ASSAYD_URL is not an address: $url" "write it as https://assay.example.com" ;;
	esac
}

# architecture sets arch to the name that TARGETARCH has in a Dockerfile.
architecture() {
	machine=$(uname -sm)
	case $machine in
	'Linux x86_64' | 'Linux amd64') arch=amd64 ;;
	'Linux aarch64' | 'Linux arm64') arch=arm64 ;;
	*) die "there is no assay for $machine" "assay runs on Linux, on x86_64 and aarch64" ;;
	esac
}

# fetch downloads a file with curl or wget.
fetch() { # ADDRESS FILE
	if has curl; then
		said=$(curl -fsSL --connect-timeout 30 --speed-limit 1 --speed-time 60 -o "$2" "$1" 2>&1) && return
	else
		code=0
		if wget --version >/dev/null 2>&1; then
			said=$(wget -nv -T 60 --tries=2 --waitretry=1 -O "$2" "$1" 2>&1) || code=$? # GNU's
			[ -n "$said" ] || said="the connection was closed" # wget reports any other error
		else
			said=$(wget -q -O "$2" "$1" 2>&1) || code=$? # busybox's, which crashes with -T on some systems
		fi
		case $said in
		*'validation not implemented'*)
			die "this wget does not check certificates" "install curl, or ADD $url/linux/$arch/assay in the Dockerfile"
			;;
		esac
		[ "$code" -ne 0 ] || return 0
	fi
	said=$(printf %s "$said" | tr -s '\n\r\t' ' ')
	case $said in
	*'No space left'* | *[Ff]'ailure writing'* | *'ailed writing'* | *'short write'* | *'on write'* | *'annot write'*)
		hint="is the disk of $dir full?"
		;;
	*ertificate* | *SSL* | *TLS* | *' CA '*)
		hint="install ca-certificates, or for a private CA name its file: CURL_CA_BUNDLE for curl, ca_certificate in .wgetrc for wget"
		;;
	*resolve* | *'bad address'*)
		hint="check the name; a build with --network none cannot look up names"
		;;
	*'(18)'* | *closed* | *outstanding* | *reset* | *'Read error'*)
		hint="the download broke off; run it again"
		;;
	*'error: 404'* | *'ERROR 404'* | *'404 Not Found'*) # and not a port 404
		hint="is this assayd, and does it serve linux/$arch?"
		;;
	*)
		hint="can this machine reach it?"
		;;
	esac
	die "fetch $1: ${said:-failed}" "$hint"
}

# digest sets got to the SHA-256 of a file.
digest() { # FILE
	if has sha256sum; then
		got=$(sha256sum "$1")
	elif has shasum; then
		got=$(shasum -a 256 "$1")
	elif has openssl; then
		got=$(openssl dgst -sha256 -r "$1")
	else
		die "none of sha256sum, shasum and openssl is installed" "install one of them, or ADD $url/linux/$arch/assay in the Dockerfile"
	fi
	got=${got%% *}
}

main "$@"
