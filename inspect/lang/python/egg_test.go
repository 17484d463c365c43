package python

import (
	"archive/zip"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/inspect/zipfile"
)

// zipped returns an archive with text under each of names.
func zipped(t testing.TB, text []byte, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadEgg(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testkit.Path(t, "lang", "python", "debian12-dist-packages"),
		"usr/lib/python3/dist-packages/Twisted-22.4.0.egg-info/PKG-INFO"))
	if err != nil {
		t.Fatal(err)
	}
	const path = "site-packages/Twisted-22.4.0-py3.11.egg"
	egg := zipped(t, text, "twisted/__init__.py", "twisted/EGG-INFO/PKG-INFO", "EGG-INFO/PKG-INFO")
	got, err := ReadEgg(bytes.NewReader(egg), int64(len(egg)), path)
	want := inventory.Package{
		Type: "pypi", Name: "Twisted", Version: "22.4.0",
		Evidence: []inventory.Evidence{{Path: path, Kind: Kind}},
	}
	if err != nil || !equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}

	for n := range len(egg) {
		got, err := ReadEgg(bytes.NewReader(egg[:n]), int64(n), path)
		if err == nil || got != nil {
			t.Fatalf("of %d bytes of %d: %v, %v", n, len(egg), got, err)
		}
	}
	other := zipped(t, text, "twisted/EGG-INFO/PKG-INFO")
	if got, err := ReadEgg(bytes.NewReader(other), int64(len(other)), path); err == nil || got != nil {
		t.Errorf("egg without a record: %v, %v", got, err)
	}
	if _, err := ReadEgg(bytes.NewReader(text), int64(len(text)), path); !errors.Is(err, zipfile.ErrNotZip) {
		t.Errorf("not an archive: %v", err)
	}
}
