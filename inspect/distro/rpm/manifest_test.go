package rpm

import (
	"os"
	"strings"
	"testing"

	"assay/check/testkit"
)

const manifest = "glibc\t2.34-2.cm2\t1643279453\t1643072291\tMicrosoft Corporation\t(none)\t9867459\tx86_64\t0\tglibc-2.34-2.cm2.src.rpm\n" +
	"bind\t9.16-1.cm2\t1\t1\t(none)\t32\t1\tx86_64\t32\t(none)\n" +
	"gpg-pubkey\t1-1\t1\t1\t(none)\t(none)\t0\t(none)\t0\t(none)"

func TestReadManifest(t *testing.T) {
	got, err := ReadManifest(strings.NewReader(manifest), "m")
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	if p := got[0]; p.Name != "glibc" || p.Version != "2.34-2.cm2" || p.Arch != "x86_64" || p.Source != "glibc" ||
		p.SourceVersion != "2.34-2.cm2" || p.Vendor != "Microsoft Corporation" || p.Evidence[0].Path != "m" {
		t.Errorf("%+v", p)
	}
	if p := got[1]; p.Version != "32:9.16-1.cm2" || p.Source != "bind" || p.SourceVersion != "9.16-1.cm2" || p.Vendor != "" {
		t.Errorf("%+v", p)
	}
	for _, bad := range []string{"x", "a b" + manifest[5:], strings.Replace(manifest, "2.34-2.cm2", "2.34", 1), strings.Replace(manifest, "(none)", "x", 1)} {
		if _, err := ReadManifest(strings.NewReader(bad), "m"); err == nil {
			t.Errorf("%q", bad)
		}
	}
}

// The manifest of a distroless image, in which Syft finds 129 packages.
func TestManifestOfImage(t *testing.T) {
	f, err := os.Open(testkit.Path(t, "faults", "inventory", "azl-distroless", ManifestFiles()[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := ReadManifest(f, "m"); err != nil || len(got) != 129 {
		t.Errorf("%d packages, %v", len(got), err)
	}
}

func FuzzReadManifest(f *testing.F) {
	f.Add(manifest)
	f.Fuzz(func(t *testing.T, text string) {
		packages, _ := ReadManifest(strings.NewReader(text), "m")
		if len(packages) > strings.Count(text, "\n")+1 {
			t.Errorf("%d packages", len(packages))
		}
		for _, p := range packages {
			if p.Name == "" || p.Version == "" || p.Source == "" || p.SourceVersion == "" {
				t.Errorf("%+v", p)
			}
		}
	})
}
