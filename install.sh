#!/bin/sh
# Installs assay for this machine, from an assayd:
#
#   curl -fsS https://assay.example.com/install.sh | sh
#   curl -fsS https://assay.example.com/install.sh | sh -s -- DIR
#
# DIR is /usr/local/bin unless it is given. As assayd serves it, this script
# knows its address; a copy from elsewhere takes it from ASSAYD_URL.
#
# The digest is checked before anything becomes executable, and a run that
# fails leaves nothing behind. In a Dockerfile ADD is better: there the builder
# fetches assay, and no tool of the image takes part.
set -eu
LC_ALL=C
export LC_ALL

served='@ASSAYD_URL@'

die() { # WHAT HINT
	printf 'install.sh: error: %s\nhint: %s\n' "$1" "$2" >&2
	exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# Nothing is done before the last line, so that half a script does nothing.
main() {
	[ $# -le 1 ] || die "$# arguments where one folder was expected" "sh install.sh [DIR]"
	dir=${1:-/usr/local/bin}
	address
	architecture
	if ! has curl && ! has wget; then
		die "there is neither curl nor wget" "install one of them, or ADD $url/linux/$arch/assay in the Dockerfile"
	fi
	[ -d "$dir" ] || die "there is no folder $dir" "make it, or name another: sh install.sh DIR"
	[ ! -d "$dir/assay" ] || die "$dir/assay is a folder" "name another: sh install.sh DIR"

	tmp=
	trap '[ -z "$tmp" ] || rm -rf "$tmp"' EXIT
	trap 'exit 1' HUP INT PIPE TERM
	place=$dir/.assay.$$
	said=$(mkdir -m 700 "$place" 2>&1) ||
		die "$dir cannot be written: $said" "run it as a user that may, or name another folder: sh install.sh DIR"
	tmp=$place

	fetch "$url/linux/$arch/assay.sha256" "$tmp/sum"
	want=
	read -r want _ <"$tmp/sum" || :
	case $want in
	*[!0-9a-f]* | '') want= ;;
	esac
	[ "${#want}" -eq 64 ] ||
		die "$url/linux/$arch/assay.sha256 is not a digest" "is this assayd? a proxy or a login page may stand in between"

	fetch "$url/linux/$arch/assay" "$tmp/assay"
	digest "$tmp/assay"
	[ "$got" = "$want" ] || die "the digest of assay is $got, not $want" \
		"run it again: a service that is just being updated has two; if it stays so, something in between changes files"

	said=$(chmod 755 "$tmp/assay" 2>&1) || die "chmod: $said" "may $dir hold programs?"
	said=$(mv -f "$tmp/assay" "$dir/assay" 2>&1) || die "$dir/assay cannot be replaced: $said" "run it as a user that may"
	echo "assay is installed as $dir/assay, for $url"
}

# address sets url. The address that was served stands before the variable: a
# base image could set one.
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
	'') die "this copy of install.sh knows no assayd" "fetch it from yours, https://.../install.sh, or set ASSAYD_URL" ;;
	*) die "ASSAYD_URL is no address: $url" "write it as https://assay.example.com" ;;
	esac
}

# architecture sets arch, as TARGETARCH of a Dockerfile names it.
architecture() {
	machine=$(uname -sm)
	case $machine in
	'Linux x86_64' | 'Linux amd64') arch=amd64 ;;
	'Linux aarch64' | 'Linux arm64') arch=arm64 ;;
	*) die "there is no assay for $machine" "it runs on Linux, on x86_64 and aarch64" ;;
	esac
}

# fetch saves what is at an address, with the tool that there is.
fetch() { # ADDRESS FILE
	if has curl; then
		said=$(curl -fsSL --connect-timeout 30 --speed-limit 1 --speed-time 60 -o "$2" "$1" 2>&1) && return
	else
		code=0
		if wget --version >/dev/null 2>&1; then
			said=$(wget -nv -T 60 --tries=2 --waitretry=1 -O "$2" "$1" 2>&1) || code=$? # GNU's
			[ -n "$said" ] || said="the connection was closed" # all else it says
		else
			said=$(wget -q -O "$2" "$1" 2>&1) || code=$? # busybox's, which crashes on -T on some systems
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
		hint="check the name; a build with --network none finds no names"
		;;
	*'(18)'* | *closed* | *outstanding* | *reset* | *'Read error'*)
		hint="the download broke off; run it again"
		;;
	*'error: 404'* | *'ERROR 404'* | *'404 Not Found'*) # not a port with these digits
		hint="is this assayd, and does it serve linux/$arch?"
		;;
	*)
		hint="may this machine reach it?"
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
		die "there is no sha256sum, shasum or openssl" "install one of them, or ADD $url/linux/$arch/assay in the Dockerfile"
	fi
	got=${got%% *}
}

main "$@"
