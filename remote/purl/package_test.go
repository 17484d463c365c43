package purl_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/remote/purl"
)

var (
	debian = inventory.System{ID: "debian", VersionID: "12"}
	rhel   = inventory.System{ID: "rhel", VersionID: "8.4"}
	alpine = inventory.System{ID: "alpine", VersionID: "3.11.5"}
)

func TestOf(t *testing.T) {
	tests := []struct {
		p      inventory.Package
		system inventory.System
		want   string
	}{
		{inventory.Package{Type: "deb", Name: "bash", Version: "5.2.15-2+b13", Arch: "amd64", Source: "bash", SourceVersion: "5.2.15-2"}, debian,
			"pkg:deb/debian/bash@5.2.15-2%2Bb13?arch=amd64&distro=debian-12&upstream=bash%405.2.15-2"},
		{inventory.Package{Type: "deb", Name: "libstdc++6", Version: "12.2.0-14+deb12u1", Arch: "amd64", Source: "gcc-12", SourceVersion: "12.2.0-14+deb12u1"}, debian,
			"pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12&upstream=gcc-12"},
		{inventory.Package{Type: "deb", Name: "apt", Version: "2.6.1", Arch: "amd64", Source: "apt", SourceVersion: "2.6.1"}, debian,
			"pkg:deb/debian/apt@2.6.1?arch=amd64&distro=debian-12"},
		{inventory.Package{Type: "deb", Name: "bsdutils", Version: "1:2.38.1-5+deb12u3", Arch: "amd64", Source: "util-linux", SourceVersion: "2.38.1-5+deb12u3"},
			inventory.System{ID: "debian", Codename: "trixie"},
			"pkg:deb/debian/bsdutils@1:2.38.1-5%2Bdeb12u3?arch=amd64&distro=debian&upstream=util-linux%402.38.1-5%2Bdeb12u3"},
		{inventory.Package{Type: "deb", Name: "apt", Version: "2.6.1"}, inventory.System{}, "pkg:deb/apt@2.6.1"},
		{inventory.Package{Type: "rpm", Name: "openssl-libs", Version: "1:1.1.1g-15.el8_3", Arch: "x86_64", Source: "openssl", SourceVersion: "1.1.1g-15.el8_3"}, rhel,
			"pkg:rpm/redhat/openssl-libs@1.1.1g-15.el8_3?arch=x86_64&distro=rhel-8.4&epoch=1&upstream=openssl-1.1.1g-15.el8_3.src.rpm"},
		{inventory.Package{Type: "apk", Name: "libcrypto1.1", Version: "1.1.1d-r3", Arch: "x86_64", Source: "openssl", SourceVersion: "1.1.1d-r3"}, alpine,
			"pkg:apk/alpine/libcrypto1.1@1.1.1d-r3?arch=x86_64&distro=alpine-3.11.5&upstream=openssl"},
		{inventory.Package{Type: "npm", Name: "@types/node", Version: "20.1.0"}, debian, "pkg:npm/%40types/node@20.1.0"},
		{inventory.Package{Type: "maven", Name: "org.slf4j:slf4j-api", Version: "1.7.36"}, debian, "pkg:maven/org.slf4j/slf4j-api@1.7.36"},
		{inventory.Package{Type: "golang", Name: "github.com/pierrec/lz4/v4", Version: "v4.1.21"}, debian, "pkg:golang/github.com/pierrec/lz4/v4@v4.1.21"},
		{inventory.Package{Type: "golang", Name: "stdlib", Version: "1.22.1"}, debian, "pkg:golang/stdlib@1.22.1"},
		{inventory.Package{Type: "composer", Name: "symfony/http-kernel", Version: "v6.4.2"}, debian, "pkg:composer/symfony/http-kernel@v6.4.2"},
		{inventory.Package{Type: "pypi", Name: "ruamel.yaml_clib", Version: "0.2.8"}, debian, "pkg:pypi/ruamel.yaml-clib@0.2.8"},
	}
	for _, tt := range tests {
		if got := purl.Of(tt.p, tt.system).String(); got != tt.want {
			t.Errorf("purl of %s %s\n got %s\nwant %s", tt.p.Name, tt.p.Version, got, tt.want)
		}
	}
}

func TestSystem(t *testing.T) {
	tests := []struct {
		purl string
		want inventory.System
	}{
		{"pkg:deb/debian/apt@1?distro=debian-12", inventory.System{ID: "debian", VersionID: "12"}},
		{"pkg:rpm/opensuse/zypper@1?distro=opensuse-leap-15.4", inventory.System{ID: "opensuse-leap", VersionID: "15.4"}},
		{"pkg:deb/debian/apt@1?distro=debian", inventory.System{ID: "debian"}},
		{"pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=jessie", inventory.System{ID: "debian", Codename: "jessie"}},
		{"pkg:rpm/redhat/glibc@2.34-125.el9_5.8?arch=aarch64&distro=redhat-9.5", inventory.System{ID: "rhel", VersionID: "9.5"}},
		{"pkg:deb/debian/apt@1", inventory.System{}},
		{"pkg:npm/apt@1?distro=debian-12", inventory.System{}},
	}
	for _, tt := range tests {
		p, err := parse(tt.purl)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.System(); got.ID != tt.want.ID || got.VersionID != tt.want.VersionID || got.Codename != tt.want.Codename {
			t.Errorf("System of %s = %+v, want %+v", tt.purl, got, tt.want)
		}
	}
}

// Converting a package database to purls and back loses only what a purl cannot contain.
func TestPackagesOfDatabasesSurvive(t *testing.T) {
	tests := []struct {
		typ, database string
		system        inventory.System
	}{
		{"deb", "dpkg/debian12-minbase", debian},
		{"deb", "dpkg/debian12-app", debian},
		{"deb", "dpkg/trivy-valid", inventory.System{ID: "ubuntu", VersionID: "18.04"}},
		{"rpm", "rpm/centos8-modularity-bdb", inventory.System{ID: "centos", VersionID: "8"}},
		{"rpm", "rpm/fedora35-sqlite", inventory.System{ID: "fedora", VersionID: "35"}},
		{"apk", "apk/alpine-3.11", alpine},
	}
	for _, tt := range tests {
		t.Run(tt.database, func(t *testing.T) {
			data, err := os.ReadFile(testkit.Path(t, "pkgdb", tt.database, "expected.json"))
			if err != nil {
				t.Fatal(err)
			}
			var list []struct {
				Name, Version, Arch, Source string
				SourceVersion               string `json:"source_version"`
			}
			if err := json.Unmarshal(data, &list); err != nil {
				t.Fatal(err)
			}
			compared := 0
			for _, e := range list {
				if e.Source == "" {
					continue // gpg-pubkey, which has none
				}
				p, err := parse(purl.Of(inventory.Package{
					Type: tt.typ, Name: e.Name, Version: e.Version, Arch: e.Arch,
					Source: e.Source, SourceVersion: e.SourceVersion,
				}, tt.system).String())
				if err != nil {
					t.Fatal(err)
				}
				got := p.Package()
				if got.Name != e.Name || got.Version != e.Version || got.Arch != e.Arch ||
					got.Source != e.Source || got.SourceVersion != e.SourceVersion {
					t.Errorf("%+v came back from %s as %+v", e, p, got)
				}
				compared++
			}
			if compared < 14 {
				t.Errorf("only %d packages", compared)
			}
		})
	}
}

// Parsing Syft's purls of a tree of language packages gives the packages that Syft found.
func TestSyftsPURLs(t *testing.T) {
	data, err := os.ReadFile(testkit.Path(t, "lang", "peer-syft.json"))
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Packages []struct{ Name, Version, PURL string }
	}
	if err := json.Unmarshal(data, &report); err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, e := range report.Packages {
		if e.PURL == "" {
			continue
		}
		p, err := parse(e.PURL)
		if e.Name == "" {
			if err == nil {
				t.Errorf("%s has no name and is read as %+v", e.PURL, p)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		read++
		// Syft leaves these characters as they are.
		if !strings.ContainsAny(e.PURL, "${}[]=+") && !strings.Contains(e.PURL, "@//") && p.Type != "pypi" && p.String() != e.PURL {
			t.Errorf("canonical form of\n%s is\n%s", e.PURL, p)
		}
		got, want := p.Package().Name, strings.TrimRight(e.Name, "/")
		switch p.Type {
		case "maven": // Syft names the artefact alone
			got = p.Name
		case "pypi":
			want = strings.ReplaceAll(strings.ToLower(want), "_", "-")
		case "conan", "swift": // Syft leaves the namespace out
			got = p.Name
		}
		if got != want {
			t.Errorf("name in %s is %q, want %q", e.PURL, got, want)
		}
	}
	if read < 1000 {
		t.Errorf("only %d purls", read)
	}
}
