package builders

import (
	"archive/zip"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/verdict"
)

// A finding is one vulnerability in one installed package, determined without any code of
// assay.
type finding struct{ ID, Package, Version, Fixed string }

// A record is what expected needs of an OSV record.
type record struct {
	Upstream []string
	Affected []struct {
		Package struct{ Ecosystem, Name string }
		Ranges  []struct {
			Events []struct{ Fixed string }
		}
	}
}

// expected works out the findings of a Debian 12 with Debian's own tools:
// dpkg-query lists the packages with their sources, and dpkg compares the
// sources' versions with the fixed ones of the records. Every range of these
// records begins at 0.
func expected(t *testing.T, admindir, records string) map[finding]bool {
	t.Helper()
	type installed struct{ name, version, source string }
	bySource := map[string][]installed{}
	list, err := exec.Command("dpkg-query", "--admindir", admindir, "-W",
		"-f", "${db:Status-Status}|${Package}|${Version}|${source:Package}|${source:Version}\n").Output()
	if err != nil {
		t.Fatalf("dpkg-query: %v", err)
	}
	for line := range strings.Lines(string(list)) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if f[0] == "installed" {
			bySource[f[3]] = append(bySource[f[3]], installed{f[1], f[2], f[4]})
		}
	}
	if len(bySource) < 40 {
		t.Fatalf("only %d source packages in %s", len(bySource), admindir)
	}

	all, err := zip.OpenReader(records)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	found := map[finding]bool{}
	for _, file := range all.File {
		if filepath.Ext(file.Name) != ".json" {
			continue
		}
		var r record
		f, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		err = json.NewDecoder(f).Decode(&r)
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", file.Name, err)
		}
		for _, a := range r.Affected {
			if a.Package.Ecosystem != "Debian:12" {
				continue
			}
			for _, p := range bySource[a.Package.Name] {
				for _, e := range a.Ranges[0].Events {
					if e.Fixed != "" && exec.Command("dpkg", "--compare-versions", p.source, "lt", e.Fixed).Run() == nil {
						found[finding{r.Upstream[0], p.name, p.version, e.Fixed}] = true
					}
				}
			}
		}
	}
	return found
}

// sameFindings compares a verdict with what was expected.
func sameFindings(t *testing.T, v verdict.Verdict, want map[finding]bool) {
	t.Helper()
	got := map[finding]bool{}
	for _, f := range v.Findings {
		got[finding{f.ID, f.Package.Name, f.Package.Version, f.Fixed}] = true
	}
	for f := range want {
		if !got[f] {
			t.Errorf("missing: %+v", f)
		}
	}
	for f := range got {
		if !want[f] {
			t.Errorf("not expected: %+v", f)
		}
	}
	if len(v.Findings) != len(got) || v.Counts.Findings != len(got) {
		t.Errorf("%d findings and a count of %d for %d different ones", len(v.Findings), v.Counts.Findings, len(got))
	}
}
