package distro

import (
	"strings"
	"time"
)

// EndOfLifeEcosystem is the ecosystem of records with the end of life of releases. It has
// no package that an image has: a name is a product and a release ("ubuntu/22.04"), and
// the only version that an entry lists is the last day of free security support.
const EndOfLifeEcosystem = "EndOfLife"

// products are the names of distributions at endoflife.date, by Distribution.Name.
var products = map[string]string{
	"AlmaLinux":    "almalinux",
	"Alpine":       "alpine-linux",
	"Amazon Linux": "amazon-linux",
	"CentOS":       "centos",
	"Debian":       "debian",
	"Fedora":       "fedora",
	"Mageia":       "mageia",
	"Oracle Linux": "oracle-linux",
	"Photon OS":    "photon",
	"Red Hat":      "rhel",
	"Rocky Linux":  "rocky-linux",
	"Ubuntu":       "ubuntu",
	"openSUSE":     "opensuse",
}

// Newest returns the release of the distribution with an ID of os-release that has free
// security support for the longest time after today ("Debian 13"), as far as this version
// of the program knows, and the last day of it. They are empty if it knows none.
func Newest(id string, today time.Time) (release, last string) {
	d := OfID(id)
	if d == nil {
		return "", ""
	}
	for name, end := range d.EndOfLife {
		if end > last && end >= today.UTC().Format(time.DateOnly) {
			release, last = d.Name+" "+strings.TrimPrefix(name, "v"), end
		}
	}
	return release, last
}

// HasProduct reports whether a product of endoflife.date is a distribution.
func HasProduct(name string) bool {
	for _, p := range products {
		if p == name {
			return true
		}
	}
	return false
}

// EndOfLifeName returns the name of the release in the ecosystem EndOfLifeEcosystem, or an
// empty string if it has none.
func (r Release) EndOfLifeName() string {
	product := products[r.Distribution.Name]
	if product == "" || r.Name == "" {
		return ""
	}
	return product + "/" + strings.TrimPrefix(r.Name, "v")
}
