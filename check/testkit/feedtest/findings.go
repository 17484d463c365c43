package feedtest

import (
	"archive/zip"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
)

// Findings returns the findings of an rpm system by advisories: package, ID, severity and
// fix. An rpm is written as "name version", with what else is known of it as further words:
// "arch=aarch64", "module=ruby:2.5", "source=perl-5.26.3-421.el8".
func Findings(t testing.TB, all map[string]advisory.Advisory, id, version string, rpms ...string) []string {
	t.Helper()
	inv := inventory.Inventory{System: inventory.System{ID: id, VersionID: version}}
	for _, rpm := range rpms {
		words := strings.Fields(rpm)
		p := inventory.Package{Type: "rpm", Name: words[0], Version: words[1], Arch: "x86_64"}
		for _, w := range words[2:] {
			key, value, _ := strings.Cut(w, "=")
			switch key {
			case "arch":
				p.Arch = value
			case "module":
				p.Module = value + ":8090020240101000000:d63f516d"
			case "source":
				release := strings.LastIndexByte(value, '-')
				name := strings.LastIndexByte(value[:release], '-')
				p.Source, p.SourceVersion = value[:name], value[name+1:]
			default:
				t.Fatalf("unknown word %q", w)
			}
		}
		inv.Packages = append(inv.Packages, p)
	}
	res, err := match.Inventory(inv, index.NewMemory(slices.Collect(maps.Values(all)), nil), nil, now)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range res.Findings {
		found = append(found, strings.TrimSpace(strings.Join([]string{f.Package.Name, f.ID, string(f.Severity), f.Fixed}, " ")))
	}
	for _, n := range res.NotEvaluated {
		found = append(found, "not evaluated: "+n.Reason)
	}
	slices.Sort(found)
	return found
}

// Zipped returns a file of a zip archive of the test data.
func Zipped(t testing.TB, name string, archive ...string) []byte {
	t.Helper()
	z, err := zip.OpenReader(testkit.Path(t, archive...))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Read returns a file of the test data.
func Read(t testing.TB, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
