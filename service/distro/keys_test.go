package distro

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit/rpmtest"
	"assay/inspect/distro/rpm"
	"assay/inspect/inventory"
)

// TestSignerKeys: every key is written as inventories have it and has one owner, and the names
// are those that distributions use.
func TestSignerKeys(t *testing.T) {
	seen := map[string]string{}
	var names []string
	for _, s := range signerKeys {
		names = append(names, s.name)
		ids := strings.Fields(s.ids)
		if len(ids) == 0 {
			t.Errorf("%s has no key", s.name)
		}
		for _, id := range ids {
			if b, err := hex.DecodeString(id); err != nil || len(b) != 8 || strings.ToLower(id) != id {
				t.Errorf("%s: invalid key %q", s.name, id)
			}
			if other := seen[id]; other != "" {
				t.Errorf("%s and %s have the key %s", other, s.name, id)
			}
			seen[id] = s.name
		}
	}
	for _, d := range list {
		for _, name := range d.Signers {
			if !slices.Contains(names, name) {
				t.Errorf("%s: no keys of %q", d.Name, name)
			}
		}
	}
}

// TestKeysOfDistributions: the packages in databases of distributions are signed with keys that
// are known to be theirs.
func TestKeysOfDistributions(t *testing.T) {
	for name, want := range map[string]struct {
		id     string
		signed int // packages with a signature that names its key
	}{
		"cbl-mariner2-sqlite":    {"mariner", 129},
		"centos5-bdb":            {"centos", 110},
		"centos6-bdb":            {"centos", 129},
		"centos7-bdb":            {"centos", 144},
		"fedora35-sqlite":        {"fedora", 137},
		"opensuse-claircore-ndb": {"opensuse-leap", 131},
		"rocky-sqlite":           {"rocky", 141},
		"sle15-bci-ndb":          {"sles", 35},
		"ubi8-bdb":               {"rhel", 184},
	} {
		d := rpmtest.Load(t, name)
		r, size := bytes.NewReader(d.Data), int64(len(d.Data))
		headers := rpm.SQLite(r, size, nil, 0)
		switch d.File {
		case "Packages":
			headers = rpm.BDB(r, size)
		case "Packages.db":
			headers = rpm.NDB(r, size)
		}
		packages, err := rpm.Packages(headers, d.File)
		if err != nil {
			t.Fatal(err)
		}
		of := OfID(want.id)
		signed := 0
		for _, p := range packages {
			if p.SignedBy == "" {
				continue
			}
			signed++
			if signer, own := of.signer(p); !own || of.OtherVendor(p) != "" || !of.Built(p) {
				t.Errorf("%s: %s %s is signed with %s of %q", name, p.Name, p.Version, p.SignedBy, signer)
			}
			// The same key decides also without the name of the vendor.
			if alone := (inventory.Package{Type: RPM, SignedBy: p.SignedBy}); !of.Built(alone) {
				t.Errorf("%s: %s is not known", name, p.SignedBy)
			}
		}
		if signed != want.signed {
			t.Errorf("%s: %d signed packages of %d, want %d", name, signed, len(packages), want.signed)
		}
	}
}
