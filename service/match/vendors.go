package match

import (
	"cmp"
	"strings"

	"assay/inspect/inventory"
)

// distribution returns the name of who builds the system's packages.
func (t *target) distribution() string {
	if t.system.ID == "centos" {
		return "CentOS"
	}
	name, _, _ := strings.Cut(t.system.Ecosystem, ":")
	return name
}

// stranger returns who else than the distribution built a package of the system's
// type, empty where nobody else is known to have. Such packages have the names of the
// distribution's, but versions of their own, about which its advisories say nothing:
// by them nginx.org's 1.25.3 would have all that Debian has fixed in 1.22.1, and
// NodeSource's 18.20.4 would lack it.
//
// An rpm names its vendor. The maintainers of Debian's and Alpine's packages may have
// any address, so others are known only by theirs, and by what they put into
// versions.
func (t *target) stranger(p inventory.Package) string {
	switch t.typ {
	case rpm:
		if p.Vendor != "" && p.Vendor != "(none)" && !t.builder(p.Vendor) {
			return shown(p.Vendor)
		}
	case deb:
		vendor := addressVendor(p.Vendor)
		if vendor == fromPPA && t.system.ID != "ubuntu" { // some of Debian's teams have lists there
			vendor = ""
		}
		return cmp.Or(vendor, versionVendor(p.Version))
	case apk:
		if vendor := addressVendor(p.Vendor); vendor == "nginx.org" {
			return vendor
		}
	}
	return ""
}

// fromPPA is the vendor of a personal package archive of Ubuntu's.
const fromPPA = "a PPA"

// addressVendor returns the vendor whose address a maintainer has.
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

// versionVendor returns the vendor that a version of Debian's form names, or shows by
// a form that the distributions do not use.
func versionVendor(v string) string {
	for i := range len(v) {
		rest := v[i+1:]
		switch v[i] {
		case 'n':
			if strings.HasPrefix(rest, "odesource") {
				return "NodeSource"
			}
		case '.':
			switch {
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
	}
	// "1.25.3-1~bookworm", "3.11.9-1+jammy1"
	at := max(strings.LastIndexByte(v, '~'), strings.LastIndexByte(v, '+'))
	if at < 0 {
		return ""
	}
	switch word := strings.TrimRight(v[at+1:], "0123456789"); word {
	case "jessie", "stretch", "buster", "bullseye", "bookworm", "trixie", "trusty", "xenial", "bionic", "focal", "jammy", "noble":
		if v[at] == '+' {
			return fromPPA
		}
		return "another vendor"
	}
	return ""
}

// numbered reports whether a text begins with a mark and a digit behind it.
func numbered(s, mark string) bool {
	rest, ok := strings.CutPrefix(s, mark)
	return ok && rest != "" && '0' <= rest[0] && rest[0] <= '9'
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
