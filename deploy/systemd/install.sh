#!/bin/sh
# Installs assayd as a service of systemd, and starts it. "make release" builds what it
# installs. Running it again upgrades the programs and the unit, and keeps the settings.
#
#   install.sh DOMAIN
#
# DOMAIN  the name under which builds reach this machine. assayd gets a certificate for it
#         from Let's Encrypt, so port 443 of DOMAIN must lead to this machine
set -eu

fail() {
	echo "install.sh: $*" >&2
	exit 1
}

[ $# = 1 ] || fail "usage: install.sh DOMAIN"
domain=$1
case $domain in
"" | -* | *[!A-Za-z0-9.-]*) fail "invalid domain: it is a name such as assay.example.com" ;;
esac
cd "$(dirname "$0")"
[ "$(id -u)" = 0 ] || fail "run it as root: sudo $0 $domain"
[ -d /run/systemd/system ] || fail "systemd does not run on this machine"
case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) fail "assayd is not built for $(uname -m)" ;;
esac
release=../../dist/release
[ -x $release/linux/$arch/assayd ] || fail "there is no $(cd ../.. && pwd)/dist/release/linux/$arch/assayd: run make release first"

install -D -m 755 $release/linux/$arch/assayd /usr/local/bin/assayd
for client in amd64 arm64; do
	install -D -m 755 $release/linux/$client/assay /usr/local/lib/assayd/linux/$client/assay
done
install -m 644 $release/install.sh /usr/local/lib/assayd/install.sh
install -D -m 644 $release/share/man/man8/assayd.8 /usr/local/share/man/man8/assayd.8
install -m 644 assayd.service /etc/systemd/system/assayd.service
if [ ! -e /etc/default/assayd ]; then
	mkdir -p /etc/default
	echo "ASSAYD_FLAGS=--public-url=https://$domain --acme-domain=$domain" >/etc/default/assayd
fi
systemctl daemon-reload
systemctl enable assayd
systemctl restart assayd # returns when assayd answers scans
systemctl --no-pager --lines=0 status assayd
echo
echo "assayd now gets its certificate and its data: journalctl -u assayd and assayd status show how far it is"
echo "next: assayd token create --name ci"
