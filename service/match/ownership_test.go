package match_test

import (
	"strings"
	"testing"

	"assay/inspect/inventory"
	"assay/service/match"
)

const debianPython = "Debian Python Team <team+python@tracker.debian.org>"

// TestOwnership checks how a language package is evaluated that belongs to a package of
// the system.
func TestOwnership(t *testing.T) {
	bookworm, alpine, rhel := system("debian", "12"), system("alpine", "3.19.1"), system("rhel", "9.4")
	ghsa := `{"id":"GHSA-1","aliases":["CVE-2024-1111"],"affected":[` + affects("PyPI", "requests", "2.31.0") + `,` + affects("Go", "golang.org/x/net", "0.17.0") + `]}`
	data := []string{ghsa, some,
		`{"id":"RHSA-1","upstream":["CVE-2000-0001"],"affected":[` + affects("Red Hat:enterprise_linux:9::baseos", "other", "1") + `]}`,
		`{"id":"ALPINE-CVE-2000-0001","affected":[` + affects("Alpine:v3.19", "other", "1") + `]}`,
	}
	redHatSays := func(cve, fixed string) string {
		return `{"id":"RHSA-2","upstream":["` + cve + `"],"affected":[` + affects("Red Hat:enterprise_linux:9::baseos", "python3-requests", fixed) + `]}`
	}
	debianSays := func(source, fixed string) string {
		return `{"id":"DEBIAN-CVE-2024-1111","upstream":["CVE-2024-1111"],"affected":[` + affects("Debian:12", source, fixed) + `]}`
	}
	debianOther := func(source string) string {
		return `{"id":"DEBIAN-CVE-2001-0001","upstream":["CVE-2001-0001"],"affected":[` + affects("Debian:12", source, "0.1") + `]}`
	}
	owner := func(typ, name, version, vendor string) inventory.Package {
		p := onePackage(typ, name, version)
		p.Vendor = vendor
		return p
	}
	signed := func(p inventory.Package, key string) inventory.Package {
		p.SignedBy = key
		return p
	}
	requests := func(owner string, digest inventory.Digest) inventory.Package {
		p := onePackage("pypi", "requests", "2.28.1")
		p.Owner = &inventory.Owner{Package: owner, Digest: digest}
		return p
	}
	net := func(owner string, digest inventory.Digest) inventory.Package {
		p := onePackage("golang", "golang.org/x/net", "v0.7.0")
		p.Owner = &inventory.Owner{Package: owner, Digest: digest}
		p.EmbeddedIn = "usr/bin/dockerd"
		return p
	}
	python := owner("deb", "python3-requests", "2.28.1+dfsg-1", debianPython)
	docker := owner("deb", "docker.io", "20.10.24+dfsg1-1+b3", "Debian Go Packaging Team <pkg-go-maintainers@lists.alioth.debian.org>")
	const none, fails, shown = "", "fails", "shown"
	tests := []struct {
		name     string
		system   inventory.System
		owner    inventory.Package
		p        inventory.Package
		records  []string
		want     string // of the language's package
		why      string // at the end of the reason
		ofSystem int    // findings of the owner
		// evaluated counts the packages that are: both, or one if the owner is another
		// vendor's or its system has no advisories.
		evaluated int
	}{
		{"no owner", bookworm, python, onePackage("pypi", "requests", "2.28.1"), nil, fails, "", 0, 2},
		{"the distribution's package of it", bookworm, python, requests("python3-requests", inventory.DigestEqual), []string{debianOther("python3-requests")}, shown,
			"; it is packaged as python3-requests, built by Debian:12, which has no advisory of this vulnerability for it", 0, 2},
		{"of an unknown digest", bookworm, python, requests("python3-requests", inventory.DigestUnknown), []string{debianOther("python3-requests")}, shown,
			"; it is packaged as python3-requests, built by Debian:12, which has no advisory of this vulnerability for it", 0, 2},
		{"fixed by the distribution", bookworm, python, requests("python3-requests", inventory.DigestEqual), []string{debianSays("python3-requests", "2.28.1+dfsg-1")}, shown,
			"; it is part of python3-requests, built by Debian:12, which lists it as not affected", 0, 2},
		{"of an owner without advisories", bookworm, python, requests("python3-requests", inventory.DigestEqual), nil, fails, "", 0, 2},
		{"of a made-up owner", bookworm, owner("deb", "my-app", "2.28.1-1", "X <x@debian.org>"), requests("my-app", inventory.DigestUnknown), []string{debianOther("python3-requests")}, fails, "", 0, 2},
		{"affected, says the distribution", bookworm, python, requests("python3-requests", inventory.DigestEqual), []string{debianSays("python3-requests", "2.28.1+dfsg-1+deb12u1")}, none, "", 1, 2},
		{"affected without a fix, says the distribution", bookworm, python, requests("python3-requests", inventory.DigestEqual), []string{debianSays("python3-requests", "")}, none, "", 1, 2},
		{"overwritten", bookworm, python, requests("python3-requests", inventory.DigestDifferent), nil, fails, "", 0, 2},
		{"of an owner that is not installed", bookworm, python, requests("python3-gone", inventory.DigestEqual), nil, fails, "", 0, 2},
		{"another vendor's package of it", bookworm, owner("deb", "python3-requests", "2.28.1-1", "NodeSource <gpg@nodesource.com>"), requests("python3-requests", inventory.DigestEqual), nil, fails, "", 0, 1},
		{"a maintainer's with an address of his own", bookworm, owner("deb", "python3-requests", "2.28.1+dfsg-1+deb12u1", "A Maintainer <a@example.org>"),
			requests("python3-requests", inventory.DigestEqual), []string{debianSays("python3-requests", "2.28.1+dfsg-1+deb12u1")}, shown,
			"; it is part of python3-requests, built by Debian:12, which lists it as not affected", 0, 2},
		{"a maintainer's with an address of his own, in another version", bookworm, owner("deb", "python3-requests", "2.27.0-1", "A Maintainer <a@example.org>"),
			requests("python3-requests", inventory.DigestEqual), []string{debianSays("python3-requests", "2.27.0-1")}, fails, "", 0, 2},
		{"a program of a maintainer with an address of his own", bookworm, owner("deb", "docker.io", "20.10.24+dfsg1-1", "A Maintainer <a@example.org>"),
			net("docker.io", inventory.DigestEqual), []string{debianSays("docker.io", "20.10.24+dfsg1-1")}, fails, "", 0, 2},
		{"a package without a maintainer", bookworm, owner("deb", "python3-requests", "2.28.1-1", ""), requests("python3-requests", inventory.DigestEqual), nil, fails, "", 0, 2},
		{"carried in another version", bookworm, owner("deb", "python3-pip-whl", "23.0.1+dfsg-1", debianPython), requests("python3-pip-whl", inventory.DigestEqual), nil, fails, "", 0, 2},
		{"carried, and fixed by the distribution", bookworm, owner("deb", "python3-pip-whl", "23.0.1+dfsg-1", debianPython), requests("python3-pip-whl", inventory.DigestEqual),
			[]string{debianSays("python3-pip-whl", "23.0.1+dfsg-1")}, shown, "; it is part of python3-pip-whl, built by Debian:12, which lists it as not affected", 0, 2},
		{"carried, and affected by the distribution", bookworm, owner("deb", "python3-pip-whl", "23.0.1+dfsg-1", debianPython), requests("python3-pip-whl", inventory.DigestEqual),
			[]string{debianSays("python3-pip-whl", "23.0.1+dfsg-2")}, none, "", 1, 2},
		{"a system without advisories", system("debian", "13"), python, requests("python3-requests", inventory.DigestEqual), nil, fails, "", 0, 1},

		{"Red Hat's package of it", rhel, owner("rpm", "python3-requests", "0:2.28.1-6.el9", "Red Hat, Inc."), requests("python3-requests", inventory.DigestEqual), []string{redHatSays("CVE-2024-9999", "0:2.28.1-6.el9")}, shown,
			"; it is packaged as python3-requests, built by Red Hat:enterprise_linux:9::baseos, which has no advisory of this vulnerability for it", 0, 2},
		{"Red Hat's package of it, with an unfixed vulnerability", rhel, owner("rpm", "python3-requests", "0:2.28.1-6.el9", "Red Hat, Inc."),
			requests("python3-requests", inventory.DigestEqual), []string{redHatSays("CVE-2024-9999", "")}, shown,
			"; it is packaged as python3-requests, built by Red Hat:enterprise_linux:9::baseos, which has no advisory of this vulnerability for it", 1, 2},
		{"Red Hat's package of it, affected", rhel, owner("rpm", "python3-requests", "0:2.28.1-6.el9", "Red Hat, Inc."),
			requests("python3-requests", inventory.DigestEqual), []string{redHatSays("CVE-2024-1111", "0:2.28.1-7.el9")}, none, "", 1, 2},
		{"Red Hat's package of it, fixed", rhel, owner("rpm", "python3-requests", "0:2.28.1-6.el9", "Red Hat, Inc."),
			requests("python3-requests", inventory.DigestEqual), []string{redHatSays("CVE-2024-1111", "0:2.28.1-6.el9")}, shown,
			"; it is part of python3-requests, built by Red Hat:enterprise_linux:9::baseos, which lists it as not affected", 0, 2},
		{"carried by Red Hat's", rhel, owner("rpm", "python3-pip-wheel", "0:21.3.1-1.el9", "Red Hat, Inc."), requests("python3-pip-wheel", inventory.DigestEqual), nil, fails, "", 0, 2},
		{"another vendor's on Red Hat", rhel, owner("rpm", "python3-requests", "0:2.28.1-6.el9", "Fedora Project"), requests("python3-requests", inventory.DigestEqual), nil, fails, "", 0, 1},
		{"signed by EPEL, with the name of Red Hat", rhel, signed(owner("rpm", "python3-requests", "0:2.28.1-6.el9", "Red Hat, Inc."), "8a3872bf3228467c"),
			requests("python3-requests", inventory.DigestEqual), []string{redHatSays("CVE-2024-9999", "0:2.28.1-6.el9")}, fails, "", 0, 1},
		{"signed by Red Hat, without a name", rhel, signed(owner("rpm", "python3-requests", "0:2.28.1-6.el9", ""), "199e2f91fd431d51"),
			requests("python3-requests", inventory.DigestEqual), []string{redHatSays("CVE-2024-9999", "0:2.28.1-6.el9")}, shown,
			"; it is packaged as python3-requests, built by Red Hat:enterprise_linux:9::baseos, which has no advisory of this vulnerability for it", 0, 2},
		{"carried by Red Hat's, which is signed", rhel, signed(owner("rpm", "python3-pip-wheel", "0:21.3.1-1.el9", ""), "199e2f91fd431d51"),
			requests("python3-pip-wheel", inventory.DigestEqual), []string{redHatSays("CVE-2024-9999", "0:2.28.1-6.el9")}, fails, "", 0, 2},

		{"Alpine's package of it, without an unfixed vulnerability", alpine, owner("apk", "py3-requests", "2.28.1-r1", "Someone"), requests("py3-requests", inventory.DigestEqual), nil, fails, "", 0, 2},
		{"Alpine's package of it, fixed", alpine, owner("apk", "py3-requests", "2.28.1-r1", "Someone"), requests("py3-requests", inventory.DigestEqual),
			[]string{`{"id":"ALPINE-CVE-2024-1111","upstream":["CVE-2024-1111"],"affected":[` + affects("Alpine:v3.19", "py3-requests", "2.28.1-r1") + `]}`},
			shown, "; it is part of py3-requests, built by Alpine:v3.19, which lists it as not affected", 0, 2},

		{"built into a program without advisories", bookworm, docker, net("docker.io", inventory.DigestEqual), nil, fails, "", 0, 2},
		{"built into a program", bookworm, docker, net("docker.io", inventory.DigestEqual), []string{debianOther("docker.io")}, shown, "; it is built into docker.io, built by Debian:12, which does not list it as affected", 0, 2},
		{"built into a program that is affected", bookworm, docker, net("docker.io", inventory.DigestEqual), []string{debianSays("docker.io", "")}, none, "", 1, 2},
		{"built into a program that was fixed", bookworm, docker, net("docker.io", inventory.DigestEqual), []string{debianSays("docker.io", "20.10.24+dfsg1-1")}, shown,
			"; it is part of docker.io, built by Debian:12, which lists it as not affected", 0, 2},
		{"built into a program that an erratum fixed", bookworm, docker, net("docker.io", inventory.DigestEqual),
			[]string{`{"id":"DSA-1-1","upstream":["CVE-2024-1111","CVE-2024-2222"],"affected":[` + affects("Debian:12", "docker.io", "20.10.24+dfsg1-1") + `]}`}, shown,
			"; it is part of docker.io, built by Debian:12, which lists it as not affected", 0, 2},
		{"built into a program that was replaced", bookworm, docker, net("docker.io", inventory.DigestDifferent), nil, fails, "", 0, 2},
		{"built into another vendor's program", bookworm, owner("deb", "docker-ce", "5:24.0.7-1", "Docker <support@docker.com>"), net("docker-ce", inventory.DigestEqual), nil, fails, "", 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, err := match.Inventory(inventory.Inventory{System: tt.system, Packages: []inventory.Package{tt.owner, tt.p}}, indexOf(t, append(tt.records, data...)...), nil, day)
			if err != nil {
				t.Fatal(err)
			}
			got, why, ofSystem := none, "", 0
			for _, f := range res.Findings {
				switch {
				case f.Package.Type != tt.p.Type:
					ofSystem++
				case f.Owned:
					got, why = shown, f.Why
				default:
					got, why = fails, f.Why
				}
			}
			if got != tt.want || ofSystem != tt.ofSystem {
				t.Errorf("%q, and %d of the system", got, ofSystem)
			}
			if _, reason, _ := strings.Cut(why, ";"); got != none && reason != strings.TrimPrefix(tt.why, ";") {
				t.Errorf("why %q", why)
			}
			if res.Evaluated != tt.evaluated {
				t.Errorf("%d packages evaluated, want %d", res.Evaluated, tt.evaluated)
			}
		})
	}
}

// TestOwnerVersions checks when the versions of a package and its owner agree.
func TestOwnerVersions(t *testing.T) {
	ix := indexOf(t, `{"id":"GHSA-1","affected":[`+affects("PyPI", "p", "")+`]}`, some,
		`{"id":"DEBIAN-CVE-2001-0001","affected":[`+affects("Debian:12", "python3-p", "0.1")+`]}`)
	for _, tt := range []struct {
		owner, version string
		agrees         bool
	}{
		{"2.28.1-1", "2.28.1", true},
		{"2.28.1-1ubuntu1~22.04.1", "2.28.1", true},
		{"1:2.28.1+dfsg-1+deb12u3", "2.28.1", true},
		{"2.28.1+ds1-1", "2.28.1.0", true},
		{"1.0~rc1-1", "1.0rc1", true},
		{"1.4+really1.3.36-2", "1.3.36", true},
		{"1.4+really1.3.36-2", "1.4", false},
		{"2.28.1", "2.28.1", true},
		{"2.28.1+git20230101.abc-1", "2.28.1", true},
		{"2.28-1", "2.28.1", false},
		{"2.28.1-1", "2.28", false},
	} {
		owner := onePackage("deb", "python3-p", tt.owner)
		owner.Vendor = debianPython
		p := onePackage("pypi", "p", tt.version)
		p.Owner = &inventory.Owner{Package: "python3-p", Digest: inventory.DigestEqual}
		res, err := match.Inventory(inventory.Inventory{System: system("debian", "12"), Packages: []inventory.Package{owner, p}}, ix, nil, day)
		if err != nil || len(res.Findings) != 1 || res.Findings[0].Owned != tt.agrees {
			t.Errorf("%s in %s: %v, %v", tt.version, tt.owner, res.Findings, err)
		}
	}
}
