package distro

import (
	"regexp"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/service/version"
)

// This file has what the distributions with Debian packages have in common.

// debianMaintainer reports whether a maintainer is Debian or Ubuntu. Some of Debian's
// maintainers have addresses of their own, by which they cannot be told apart from
// other vendors.
func debianMaintainer(maintainer string) bool {
	_, host, _ := strings.Cut(strings.TrimSuffix(maintainer, ">"), "@")
	for _, domain := range [...]string{"debian.org", "alioth-lists.debian.net", "ubuntu.com", "canonical.com"} {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}

// codename matches the codename of a release, which becomes part of a command.
var codename = regexp.MustCompile(`^[a-z]{3,20}$`)

// hasSecurity reports whether a suite with security updates is configured, by the
// codename of the release or by a name such as stable-security.
func hasSecurity(s inventory.System) bool {
	return slices.ContainsFunc(s.Repositories, func(suite string) bool {
		return suite == s.Codename+"-security" || suite == s.Codename+"/updates" ||
			strings.HasSuffix(suite, "stable-security") || strings.HasSuffix(suite, "stable/updates")
	})
}

const (
	// fromPPA is the vendor of packages from a personal package archive of Ubuntu.
	fromPPA = "a PPA"
	// fips is the vendor of the validated packages of Ubuntu Pro. Their versions
	// ("1.1.1f-1ubuntu2.fips.7", "3.0.2-0ubuntu1.18+Fips1") are above the fixes of the
	// ordinary packages, which they may not have.
	fips = "Ubuntu Pro FIPS"
)

// addressVendor returns the vendor that a maintainer's address belongs to, or an empty
// string.
func addressVendor(maintainer string) string {
	_, host, ok := strings.Cut(strings.TrimSuffix(maintainer, ">"), "@")
	if !ok {
		return ""
	}
	if strings.HasSuffix(host, "debian.org") || strings.HasSuffix(host, "ubuntu.com") {
		return "" // as most are
	}
	host = strings.ToLower(host)
	for host != "" {
		switch host {
		case "nginx.com", "nginx.org", "f5.com":
			return "nginx.org"
		case "nodesource.com":
			return "NodeSource"
		case "mariadb.com", "mariadb.org":
			return "mariadb.org"
		case "oss.oracle.com", "virtualbox.org":
			return "Oracle"
		case "docker.com":
			return "Docker"
		case "launchpad.net":
			return fromPPA
		case "10gen.com", "mongodb.com":
			return "MongoDB"
		case "adoptium.net", "eclipse.org":
			return "Eclipse Adoptium"
		case "azul.com", "clickhouse.com", "cloudflare.com", "confluent.io", "datadoghq.com", "elastic.co", "erlang-solutions.com", "gitlab.com",
			"grafana.com", "haproxy.com", "hashicorp.com", "influxdata.com", "kubernetes.io", "microsoft.com", "newrelic.com",
			"nvidia.com", "percona.com", "puppet.com", "rabbitmq.com", "redis.com", "redis.io", "timescale.com", "varnish-software.com", "winehq.org",
			"yarnpkg.com", "zabbix.com":
			return host
		}
		_, host, _ = strings.Cut(host, ".")
	}
	return ""
}

// versionVendor returns the vendor that a Debian version shows, or an empty string.
func versionVendor(v string) string {
	for i := range len(v) {
		if vendor := markedVendor(v, i); vendor != "" {
			return vendor
		}
	}
	// "1.25.3-1~bookworm", "3.11.9-1+jammy1"
	at := max(strings.LastIndexByte(v, '~'), strings.LastIndexByte(v, '+'))
	if at < 0 {
		return ""
	}
	switch codename := strings.TrimRight(v[at+1:], "0123456789"); codename {
	case "jessie", "stretch", "buster", "bullseye", "bookworm", "trixie", "trusty", "xenial", "bionic", "focal", "jammy", "noble":
		if v[at] == '+' {
			return fromPPA
		}
		return "another vendor"
	}
	return ""
}

// markedVendor returns the vendor whose mark is in a Debian version at byte i, or an
// empty string.
func markedVendor(v string, i int) string {
	rest := v[i+1:]
	switch v[i] {
	case 'n':
		if strings.HasPrefix(rest, "odesource") {
			return "NodeSource"
		}
	case '.':
		switch {
		case strings.HasPrefix(rest, "fips"):
			return fips
		case strings.HasPrefix(rest, "pgdg"):
			return "apt.postgresql.org"
		case strings.HasPrefix(rest, "sury.org"):
			return "deb.sury.org"
		}
	case 'p':
		if strings.HasPrefix(rest, "pa") && (i == 0 || !letter(v[i-1])) && (len(rest) == 2 || !letter(rest[2])) {
			return fromPPA
		}
	case '+', '~':
		switch {
		case strings.HasPrefix(rest, "fips"), strings.HasPrefix(rest, "Fips"):
			return fips
		case strings.HasPrefix(rest, "maria~"):
			return "mariadb.org"
		case numbered(rest, "rpt"), numbered(rest, "rpi"):
			return "Raspberry Pi"
		case numbered(rest, "0~20"):
			return "deb.sury.org"
		case numbered(rest, "++20"):
			return "apt.llvm.org"
		case numbered(rest, "debian."), numbered(rest, "ubuntu."):
			return "Docker"
		}
	}
	return ""
}

// numbered reports whether s begins with mark and a digit after it.
func numbered(s, mark string) bool {
	rest, ok := strings.CutPrefix(s, mark)
	return ok && rest != "" && version.Digits(rest[:1])
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
