package release

import (
	"strings"
	"testing"

	"assay/inspect/inventory"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		system   string // ID and VERSION_ID
		packages string // type, name and version of each
		ok       bool
	}{
		{"debian 12", "deb base-files 12.4+deb12u5", true},
		{"debian 12", "deb base-files 12.4", true},
		{"debian 11", "deb base-files 12.4+deb12u5", false},
		{"debian 13", "deb base-files 12.4+deb12u5", false},
		{"debian 12", "deb base-files 12ubuntu4.1", false},
		{"debian", "deb base-files 13.5", true}, // testing
		{"debian", "deb base-files 12.4+deb12u5", false},
		{"debian 8", "deb base-files 8+deb8u11", true},
		{"debian 10", "deb base-files 10.3+deb10u13", true},
		{"debian 7", "deb base-files 7.1wheezy11", true},
		{"debian 12", "deb libc6 2.36-9", true},
		{"debian 12", "", true},
		{"raspbian 12", "deb base-files 11.1+rpi1+deb11u5", true}, // unknown
		{"ubuntu 22.04", "deb base-files 12ubuntu4.6", true},
		{"ubuntu 24.04", "deb base-files 13ubuntu10.1", true},
		{"ubuntu 24.04", "deb base-files 13ubuntu7", true},
		{"ubuntu 24.04", "deb base-files 12ubuntu4.6", false},
		{"ubuntu 22.10", "deb base-files 12ubuntu4.6", false},
		{"ubuntu 22.10", "deb base-files 12.2ubuntu3", true},
		{"ubuntu 21.04", "deb base-files 11ubuntu19", true},
		{"ubuntu 19.10", "deb base-files 10.2ubuntu7.19.10.0", true},
		{"ubuntu 22.04", "deb base-files 12.4+deb12u5", false},
		{"alpine 3.18.4", "apk alpine-release 3.18.4-r0", true},
		{"alpine 3.20.0", "apk alpine-release 3.18.4-r0", false},
		{"alpine", "apk alpine-release 3.18.4-r0", false},
		{"alpine 3.10.4", "apk alpine-baselayout 3.1.2-r0", true},
		{"alpine 3.18.4", "apk wolfi-baselayout 20230201-r3", false},
		{"wolfi 20230201", "apk wolfi-baselayout 20230201-r9", true},
		{"rhel 9.4", "rpm redhat-release 9.4-0.5.el9", true},
		{"rhel 9.6", "rpm redhat-release 9.4-0.5.el9", false},
		{"rhel 7.9", "rpm redhat-release-server 7.9-6.el7_9", true},
		{"centos 7", "rpm centos-release 7-9.2009.1.el7.centos", true},
		{"centos 8", "rpm centos-release 8.2-2.2004.0.1.el8", true},
		{"centos 8", "rpm centos-release 7-9.2009.1.el7.centos, rpm centos-release-scl 2-3.el7.centos", false},
		{"ol 8.5", "rpm oraclelinux-release 8:8.5-1.0.8.el8, rpm redhat-release 2:8.5-0.8.0.2.el8", true},
		{"rhel 8.5", "rpm oraclelinux-release 8:8.5-1.0.8.el8", false},
		{"rocky 8.7", "rpm almalinux-release 8.7-3.el8", false},
		{"almalinux 8.7", "rpm almalinux-release 8.7-3.el8, rpm percona-release 1.0-27", true},
		{"amzn 2", "rpm system-release 1:2-14.amzn2", true},
		{"amzn 2023", "rpm system-release 2023.3.20240131-0.amzn2023", true},
		{"amzn 2023", "rpm system-release 1:2-14.amzn2", false},
		{"amzn 2018.03", "rpm system-release 2018.03-0.2", true},
		{"fedora 36", "rpm fedora-release-common 36-17", true},
		{"fedora 40", "rpm fedora-release-common 36-17", false},
		{"sles 15.4", "rpm sles-release 15.4-150400.55.1", true},
		{"opensuse-leap 15.3", "rpm openSUSE-release 15.3-lp1532.157.1", true},
		{"photon 4.0", "rpm photon-release 4.0-2.ph4", true},
		{"azurelinux 3.0", "rpm mariner-release 2.0-4.cm2", true}, // unknown
		{"alpine 3.18.4", "deb libc6 2.36-9", false},
		{"debian 12", "rpm bash 5.1-1, pypi six 1.16.0", false},
		{"debian 12", "rpm bash 5.1-1, deb base-files 12.4", true},
		{"debian 12", "pypi six 1.16.0", true},
	} {
		id, version, _ := strings.Cut(c.system, " ")
		var packages []inventory.Package
		for text := range strings.SplitSeq(c.packages, ", ") {
			if f := strings.Fields(text); len(f) == 3 {
				packages = append(packages, inventory.Package{Type: f[0], Name: f[1], Version: f[2]})
			}
		}
		if err := Check(inventory.System{ID: id, VersionID: version}, packages); (err == nil) != c.ok {
			t.Errorf("%s with %s: %v", c.system, c.packages, err)
		}
	}
}
