package drupal

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/feedtest"
	"assay/inspect/inventory"
	"assay/remote/purl"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
)

// genuine returns the advisories of the test data by their path in the repository.
func genuine(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(testkit.Path(t, "wordpress", "feeds", "drupal", "osv") + "/*.json")
	if err != nil || len(files) != 48 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	all := make(map[string][]byte)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all["advisories/x/"+filepath.Base(f)] = b
	}
	return all
}

// archive makes an archive as GitHub does.
func archive(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: "drupal-advisory-database-0123456/" + name, Size: int64(len(files[name])), Mode: 0o644}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestUpdate updates from a server with all genuine advisories. Other files of the
// repository are ignored.
func TestUpdate(t *testing.T) {
	files := genuine(t)
	files["composer.json"] = []byte(`{"name":"drupal/advisories"}`)
	files["README.md"] = []byte("#")
	s := feedtest.New(t, Source(), map[string][]byte{"HEAD.tar.gz": archive(t, files)})
	o, err := s.Update(t)
	if err != nil || o.Added != 48 || o.Rejected != 0 {
		t.Fatalf("%+v, %v, want 48 records", o, err)
	}
	s.Sent()
	if o, err = s.Update(t); err != nil || o.Added+o.Changed+o.Removed != 0 || s.Sent() != 0 {
		t.Errorf("again: %+v, %v", o, err)
	}
	// A record that is gone is removed, and a bad one rejected; its earlier version stays.
	delete(files, "advisories/x/DRUPAL-CORE-2018-001.json")
	files["advisories/x/DRUPAL-CORE-2018-002.json"] = []byte(`{"id":"DRUPAL-CORE-2018-002"`)
	s.Put("HEAD.tar.gz", archive(t, files))
	if o, err = s.Update(t); err != nil || o.Rejected != 1 || len(o.Rejections) != 1 {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestBroken(t *testing.T) {
	s := feedtest.New(t, Source(), map[string][]byte{"HEAD.tar.gz": archive(t, genuine(t))})
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	s.Broken(t, "HEAD.tar.gz", map[string][]byte{
		"another repository": archive(t, map[string][]byte{"advisories/x.json": []byte("{}")}),
		"bad advisories":     archive(t, map[string][]byte{"advisories/DRUPAL-1.json": []byte("{}"), "advisories/DRUPAL-2.json": []byte("[]")}),
	})
}

// TestMatch finds Drupal and its modules by their names and versions in Composer.
func TestMatch(t *testing.T) {
	var all []advisory.Advisory
	for _, b := range genuine(t) {
		a, err := advisory.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		a.Source = Name
		all = append(all, a)
	}
	ix := index.NewMemory(all, nil)
	for _, tt := range []struct {
		purl, id string
		found    bool
	}{
		{"pkg:composer/drupal/core@10.2.5", "CVE-2024-12393", true},
		{"pkg:composer/drupal/core@10.2.11", "CVE-2024-12393", false},
		{"pkg:composer/drupal/core@10.3.8", "CVE-2024-12393", true},
		{"pkg:composer/drupal/core@8.7.0", "CVE-2024-12393", false},
		{"pkg:composer/drupal/alogin@2.1.4", "CVE-2025-8995", true},
		{"pkg:composer/drupal/alogin@2.1.5", "CVE-2025-8995", false},
		{"pkg:composer/other/alogin@2.1.4", "CVE-2025-8995", false},
	} {
		var p purl.PURL
		if err := p.Parse(tt.purl); err != nil {
			t.Fatal(err)
		}
		res, err := match.Inventory(inventory.Inventory{Packages: []inventory.Package{p.Package()}}, ix, nil, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		found := slices.ContainsFunc(res.Findings, func(f match.Finding) bool { return f.ID == tt.id })
		if found != tt.found {
			t.Errorf("%s, %s: %t, want %t", tt.purl, tt.id, found, tt.found)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte("PK\x05\x06"))
	f.Add([]byte("\x1f\x8b\x08"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := t.TempDir() + "/f"
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		for r, err := range records(path) {
			if err == nil && r.ID == "" {
				t.Error("a record without an ID")
			}
		}
	})
}
