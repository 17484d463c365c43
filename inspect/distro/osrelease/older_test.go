package osrelease

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
)

func TestParseDebianVersion(t *testing.T) {
	for text, want := range map[string]inventory.System{
		"10.8\n":           {ID: "debian", VersionID: "10"},
		"9\n":              {ID: "debian", VersionID: "9"},
		"12.5":             {ID: "debian", VersionID: "12"},
		"trixie/sid\n":     {ID: "debian", Codename: "trixie"},
		"":                 {},
		"/sid":             {},
		"not a version":    {},
		"buster":           {},
		"12\n13\n":         {},
		"1\x00":            {},
		"\xff\xfe1\x002\n": {},
	} {
		got, err := ParseDebianVersion(strings.NewReader(text))
		if !reflect.DeepEqual(got, want) || (err == nil) != want.Known() {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// The genuine files, by their content.
func TestParseRealOlderFiles(t *testing.T) {
	dir := testkit.Path(t, "pkgdb", "os-release")
	for _, c := range []struct {
		file, id, version string
		parse             func(io.Reader) (inventory.System, error)
	}{
		{"anal-analyzer-os-redhatbase-testdata-oracle-7-oracle-release", "ol", "7.6", ParseRedHatRelease},
		{"rhel-testdata-releasefiles-oracle-6-etc-oracle-release", "ol", "6.10", ParseRedHatRelease},
		{"rhel-testdata-releasefiles-oracle-9-etc-oracle-release", "ol", "9.3", ParseRedHatRelease},
		{"estdata-os-rockylinux-from-redhat-release-etc-redhat-release", "rocky", "8.10", ParseRedHatRelease},
		{"kg-fanal-analyzer-os-redhatbase-testdata-rocky-rocky-release", "rocky", "8.4", ParseRedHatRelease},
		{"grype-distro-testdata-os-scientific6-etc-redhat-release", "scientific", "6.10", ParseRedHatRelease},
		{"fanal-analyzer-os-redhatbase-testdata-alma-almalinux-release", "almalinux", "8.4", ParseRedHatRelease},
		{"nal-analyzer-os-redhatbase-testdata-fedora-29-fedora-release", "fedora", "29", ParseRedHatRelease},
		{"rhel-testdata-releasefiles-3-etc-redhat-release", "rhel", "3.1", ParseRedHatRelease},
		{"rhel-testdata-releasefiles-5-etc-redhat-release", "rhel", "5.6", ParseRedHatRelease},
		{"rhel-testdata-releasefiles-9-etc-redhat-release", "rhel", "9.0", ParseRedHatRelease},
		{"rhel-testdata-releasefiles-atomichost-7-etc-redhat-release", "rhel", "7.9", ParseRedHatRelease},
		{"syft-linux-testdata-os-centos5-etc-redhat-release", "centos", "5", ParseRedHatRelease},
		{"anal-analyzer-os-redhatbase-testdata-redhat-6-redhat-release", "", "", ParseRedHatRelease},
		{"-fanal-analyzer-os-redhatbase-testdata-centos-centos-release", "centos", "7", ParseRedHatRelease},
		{"pkg-fanal-analyzer-testdata-etc-alpine-release", "alpine", "3.11.6", ParseAlpineRelease},
		{"pkg-fanal-artifact-vm-testdata-alpine-etc-alpine-release", "alpine", "3.17.5", ParseAlpineRelease},
		{"nux-testdata-os-debian-with-point-release-etc-debian-version", "debian", "13", ParseDebianVersion},
	} {
		f, err := os.Open(filepath.Join(dir, c.file))
		if err != nil {
			t.Fatal(err)
		}
		sys, err := c.parse(f)
		f.Close()
		if sys.ID != c.id || sys.VersionID != c.version || (err == nil) != (c.id != "") {
			t.Errorf("%s: %+v, %v", c.file, sys, err)
		}
	}
}

// Every lsb-release in the test data; the files are named after their version.
func TestParseRealLSBReleases(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testkit.Path(t, "pkgdb", "os-release"), "ubuntu-*.lsb-release"))
	if err != nil || len(files) < 25 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	version := regexp.MustCompile(`ubuntu-(\d+\.\d+)`)
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		sys, err := ParseLSBRelease(f)
		f.Close()
		want := version.FindStringSubmatch(file)[1]
		if err != nil || sys.ID != "ubuntu" || sys.VersionID != want || sys.Codename == "" || !strings.HasPrefix(sys.PrettyName, "Ubuntu ") {
			t.Errorf("%s: %+v, %v", file, sys, err)
		}
	}
}

func TestParseOlder(t *testing.T) {
	for _, c := range []struct {
		parse func(io.Reader) (inventory.System, error)
		text  string
		want  inventory.System
		fails bool
	}{
		{ParseRedHatRelease, "CentOS Linux release 7.6.1810 (Core) \n", inventory.System{ID: "centos", VersionID: "7",
			IDLike: []string{"rhel", "fedora"}, PrettyName: "CentOS Linux release 7.6.1810 (Core)"}, false},
		{ParseRedHatRelease, "Amazon Linux release 2 (Karoo)", inventory.System{ID: "amzn", VersionID: "2",
			IDLike: []string{"rhel", "fedora"}, PrettyName: "Amazon Linux release 2 (Karoo)"}, false},
		{ParseRedHatRelease, "CentOS release", inventory.System{}, true},
		{ParseRedHatRelease, "CentOS release \x1b[0m", inventory.System{}, true},
		{ParseRedHatRelease, "CentOS release 5\nFedora release 6\n", inventory.System{}, true},
		{ParseRedHatRelease, "Some Linux release 5", inventory.System{}, true},
		{ParseRedHatRelease, strings.Repeat("x", Limit+1), inventory.System{}, true},
		{ParseAlpineRelease, "3.19_alpha20230901\n", inventory.System{ID: "alpine", VersionID: "3.19_alpha20230901"}, false},
		{ParseAlpineRelease, "edge\n", inventory.System{}, true},
		{ParseAlpineRelease, "", inventory.System{}, true},
		{ParseAlpineRelease, "3.1\n3.2\n", inventory.System{}, true},
		{ParseLSBRelease, "DISTRIB_ID=LinuxMint\nDISTRIB_RELEASE=21\nDISTRIB_CODENAME=vanessa\nDISTRIB_DESCRIPTION=\"Linux Mint 21\"\n",
			inventory.System{ID: "linuxmint", VersionID: "21", Codename: "vanessa", PrettyName: "Linux Mint 21"}, false},
		{ParseLSBRelease, "LSB_VERSION=base-4.0-amd64:base-4.0-noarch\n", inventory.System{}, false},
		{ParseLSBRelease, "nonsense", inventory.System{}, true},
	} {
		got, err := c.parse(strings.NewReader(c.text))
		if !reflect.DeepEqual(got, c.want) || (err != nil) != c.fails {
			t.Errorf("%.40q: %+v, %v", c.text, got, err)
		}
	}
}
