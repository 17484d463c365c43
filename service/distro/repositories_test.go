package distro

import (
	"reflect"
	"testing"

	"assay/inspect/inventory"
	"assay/verdict"
)

// TestLacking checks that a missing repository is named together with the line that adds
// it.
func TestLacking(t *testing.T) {
	debian := func(version, codename string, repositories ...string) inventory.System {
		return inventory.System{ID: "debian", VersionID: version, Codename: codename, Repositories: repositories}
	}
	security := func(suite string) *verdict.Repositories {
		return &verdict.Repositories{Missing: suite, Add: "deb http://deb.debian.org/debian-security " + suite + " main"}
	}
	ubuntu := func(repositories ...string) inventory.System {
		return inventory.System{ID: "ubuntu", VersionID: "24.04", Codename: "noble", Repositories: repositories}
	}
	alpine := func(repositories ...string) inventory.System {
		return inventory.System{ID: "alpine", VersionID: "3.22.1", Repositories: repositories}
	}
	for _, tt := range []struct {
		name   string
		system inventory.System
		arch   string
		want   *verdict.Repositories
	}{
		{"unknown", debian("12", "bookworm"), "amd64", nil},
		{"none", debian("12", "bookworm", "none"), "amd64", &verdict.Repositories{}},
		{"Debian by default", debian("12", "bookworm", "bookworm", "bookworm-security", "bookworm-updates"), "amd64", nil},
		{"Debian without security", debian("12", "bookworm", "bookworm", "bookworm-updates"), "amd64", security("bookworm-security")},
		{"Debian 13 without security", debian("13", "trixie", "trixie"), "amd64", security("trixie-security")},
		{"the security of another release", debian("13", "trixie", "trixie", "bookworm-security"), "amd64", security("trixie-security")},
		{"a suite named by its state", debian("12", "bookworm", "stable", "oldstable-security"), "amd64", nil},
		{"testing", debian("", "forky", "forky"), "amd64", nil},
		{"before Debian 11", debian("10", "buster", "buster"), "amd64", nil},
		{"an invalid codename", debian("12", "x; reboot", "x"), "amd64", nil},
		{"Ubuntu", ubuntu("noble", "noble-updates"), "amd64", nil},
		{"Ubuntu with only security", ubuntu("noble", "noble-security"), "amd64", nil},
		{"Ubuntu without security", ubuntu("noble"), "amd64", &verdict.Repositories{Missing: "noble-security", Add: "deb http://security.ubuntu.com/ubuntu noble-security main universe"}},
		{"Ubuntu on arm64", ubuntu("noble"), "arm64", &verdict.Repositories{Missing: "noble-security", Add: "deb http://ports.ubuntu.com/ubuntu-ports noble-security main universe"}},
		{"Alpine", alpine("v3.22/community", "v3.22/main"), "x86_64", nil},
		{"Alpine edge", alpine("edge/main"), "x86_64", nil},
		{"Alpine, another branch", alpine("v3.21/main", "v3.21/community"), "x86_64", &verdict.Repositories{Missing: "v3.22/main", Add: "https://dl-cdn.alpinelinux.org/alpine/v3.22/main"}},
		{"a mirror with other folder names", alpine("alpine/os-main"), "x86_64", nil},
		{"a derivative", inventory.System{ID: "raspbian", VersionID: "12", Codename: "bookworm", Repositories: []string{"bookworm"}}, "armhf", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			typ := "deb"
			if tt.system.ID == "alpine" {
				typ = "apk"
			}
			got := Lacking(inventory.Inventory{
				System:   tt.system,
				Packages: []inventory.Package{{Type: typ, Name: "bash", Version: "5.2-r1", Arch: tt.arch}},
			})
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}
