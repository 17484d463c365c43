package inspect

import (
	"strings"
	"testing"

	"assay/inspect/inventory"
)

// TestOwnedPrograms: programs that the system installed are left out, unless they were
// replaced. Without lists of files, the folder decides.
func TestOwnedPrograms(t *testing.T) {
	program := func(path string, owner *inventory.Owner) inventory.Package {
		return inventory.Package{Type: "generic", Name: path, Evidence: []inventory.Evidence{{Path: path, Kind: "program"}}, Owner: owner}
	}
	packages := func(system ...inventory.Package) []inventory.Package {
		return append(system,
			program("usr/bin/bash", &inventory.Owner{Package: "bash", Digest: inventory.DigestEqual}),
			program("usr/bin/curl", &inventory.Owner{Package: "curl", Digest: inventory.DigestUnknown}),
			program("usr/bin/openssl", &inventory.Owner{Package: "openssl", Digest: inventory.DigestDifferent}),
			program("usr/sbin/nginx", nil),
			program("usr/local/bin/node", nil),
			inventory.Package{Type: "npm", Name: "npm", Evidence: []inventory.Evidence{{Path: "usr/x", Kind: "node"}}, Owner: &inventory.Owner{Package: "npm", Digest: inventory.DigestEqual}},
		)
	}
	system := func(kind, path string) inventory.Package {
		return inventory.Package{Type: "deb", Name: "system", Evidence: []inventory.Evidence{{Path: path, Kind: kind}}}
	}
	for name, tt := range map[string]struct {
		packages []inventory.Package
		want     string
	}{
		"dpkg":         {packages(system("dpkg", "var/lib/dpkg/status")), "system usr/bin/openssl usr/sbin/nginx usr/local/bin/node npm"},
		"Chisel":       {packages(system("chisel", "var/lib/chisel/manifest.wall")), "system usr/bin/openssl usr/local/bin/node npm"},
		"rpm":          {packages(system("rpm", "var/lib/rpm/rpmdb.sqlite")), "system usr/bin/openssl usr/sbin/nginx usr/local/bin/node npm"},
		"rpm manifest": {packages(system("rpm", "var/lib/rpmmanifest/container-manifest-2")), "system usr/bin/openssl usr/local/bin/node npm"},
		"no system":    {packages(), "usr/bin/openssl usr/sbin/nginx usr/local/bin/node npm"},
	} {
		var got []string
		for _, p := range withoutOwnedPrograms(tt.packages) {
			got = append(got, p.Name)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
