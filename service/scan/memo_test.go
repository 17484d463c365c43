package scan_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/pkgdb"
	"assay/inspect"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/advisory"
	"assay/service/advisory/load"
	"assay/service/index"
	"assay/service/match"
	"assay/service/scan"
	"assay/verdict"
)

// TestMemoChangesNothing: a verdict has the same bytes with the memo of earlier scans and
// without one. It scans every package database of the test data and libraries of five
// languages, in two orders at the same time.
func TestMemoChangesNothing(t *testing.T) {
	records := load.Open(testkit.Path(t, "osv"))
	var all []advisory.Advisory
	libraries := map[string][]inventory.Package{}
	for r, rerr := range records.Records() {
		if rerr != nil {
			t.Fatal(rerr)
		}
		a, rerr := advisory.Parse(r.Body)
		if rerr != nil {
			t.Fatal(rerr)
		}
		all = append(all, a)
		for _, f := range r.Fixes {
			if list := libraries[f.Ecosystem]; len(list) < 20 {
				libraries[f.Ecosystem] = append(list, inventory.Package{Name: f.Package, Version: f.Version})
			}
		}
	}
	ix := index.NewMemory(all, nil)

	var scans []cyclonedx.Scan
	add := func(inv inventory.Inventory) {
		inv.Sort()
		scans = append(scans, cyclonedx.Scan{Inventory: inv})
	}
	databases, err := pkgdb.All(testkit.Path(t, "pkgdb"))
	if err != nil {
		t.Fatal(err)
	}
	system := map[string]string{"dpkg": "ID=debian\nVERSION_ID=12\n", "apk": "ID=alpine\nVERSION_ID=3.11.6\n", "rpm": "ID=almalinux\nVERSION_ID=8.5\n"}
	for _, d := range databases {
		root := t.TempDir()
		if err := d.Lay(root); err != nil {
			t.Fatal(err)
		}
		release := filepath.Join(root, "etc/os-release")
		if _, err := os.Stat(release); errors.Is(err, fs.ErrNotExist) {
			if err := errors.Join(os.MkdirAll(filepath.Dir(release), 0o755), os.WriteFile(release, []byte(system[d.Kind]), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		inv, err := inspect.Inspect(t.Context(), root, inspect.Options{Mounts: strings.NewReader("")})
		if err != nil {
			t.Fatal(err)
		}
		for i := range inv.Packages {
			inv.Packages[i].Vendor, inv.Packages[i].SignedBy = "", "" // some databases are of another system than the os-release file
		}
		add(inv)
		if d.Name != "debian12-app" && d.Name != "alpine-3.11" {
			continue
		}
		// Add libraries; every second one belongs to a package of the system.
		owners := slices.Clone(inv.Packages)
		for ecosystem, typ := range map[string]string{"PyPI": "pypi", "Go": "golang", "Maven": "maven", "RubyGems": "gem", "crates.io": "cargo"} {
			for i, p := range libraries[ecosystem] {
				p.Type = typ
				p.Evidence = []inventory.Evidence{{Path: fmt.Sprintf("srv/%s/%d", typ, i), Kind: typ}}
				if i%2 == 0 {
					p.Owner = &inventory.Owner{Package: owners[i%len(owners)].Name, Digest: inventory.DigestEqual}
				}
				if i%4 == 0 {
					p.EmbeddedIn = "usr/bin/program"
				}
				inv.Packages = append(inv.Packages, p)
			}
		}
		add(inv)
		scans[len(scans)-1].Options = []cyclonedx.Option{{Name: "kernel", Value: "true", Origin: "flag"}, {Name: "fail-on", Value: "low", Origin: "flag"}}
	}

	answer := func(s cyclonedx.Scan, memo *match.Memo) []byte {
		v, err := scan.Evaluator{}.Answer(s, ix, memo, verdict.Data{Snapshot: "s", Records: len(all), Updated: now}, now)
		b, merr := v.AppendJSON(nil)
		whole, werr := json.Marshal(v.Whole())
		if err := errors.Join(err, merr, werr); err != nil {
			t.Error(err)
		}
		if err := v.Whole().Check(); err != nil {
			t.Errorf("the verdict contradicts itself: %v", err)
		}
		if !bytes.Equal(b, whole) {
			t.Errorf("an answer of %d bytes is not its verdict of %d bytes", len(b), len(whole))
		}
		return b
	}
	want := make([][sha256.Size]byte, len(scans))
	findings := 0
	for i, s := range scans {
		b := answer(s, nil)
		want[i] = sha256.Sum256(b)
		findings += bytes.Count(b, []byte(`"why":`))
	}
	if len(scans) < 50 || findings < 10_000 {
		t.Fatalf("only %d scans with %d findings", len(scans), findings)
	}
	memo := match.NewMemo()
	var wg sync.WaitGroup
	for worker := range 2 {
		wg.Go(func() {
			for i := range scans {
				if worker == 1 {
					i = len(scans) - 1 - i
				}
				if sha256.Sum256(answer(scans[i], memo)) != want[i] {
					t.Errorf("scan %d: another verdict with the memo", i)
				}
			}
		})
	}
	wg.Wait()
}
