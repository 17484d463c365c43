package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/service/store"
	"assay/service/store/sqlite"
	"assay/verdict"
	"assay/verdict/hint"
)

// earlier unpacks a data folder that an earlier version of the program wrote: two
// folders were imported, of which the second has a newer version of TEST-2000-2
// (versions 1 to 4), then a scan, an update of CRAN from a mirror (5), the first
// folder again without TEST-2000-2, and another scan.
func earlier(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"advisories.db", "ledger.db"} {
		f, err := os.Open(filepath.Join("testdata", "schema2", name+".gz"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The two scans of the earlier data folder.
const (
	firstScan, firstSnapshot   = "6ov4d6cu64c7jt2d", "s85244df76b1cdacf3a38"
	secondScan, secondSnapshot = "ufa72jpbjeahep2g", "s66be1e73a7031b8e0568"
)

func TestEarlierData(t *testing.T) {
	data := earlier(t)
	st, err := sqlite.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	state := func(upTo int64) string {
		t.Helper()
		var got []string
		for r, err := range st.Changes(t.Context(), 0, upTo) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%d %s %s %d", r.Seq, r.ID, r.Origin.Source, len(r.Fixes)))
		}
		return strings.Join(got, ", ")
	}
	for upTo, want := range map[int64]string{
		2: "1 TEST-2000-1 import 1, 2 TEST-2000-2 import 1",
		4: "1 TEST-2000-1 import 1, 3 TEST-2000-2 import 1, 4 TEST-2000-3 import 1",
		9: "1 TEST-2000-1 import 1, 3 TEST-2000-2 import 1, 4 TEST-2000-3 import 1, 5 TEST-2000-4 osv 1",
	} {
		if got := state(upTo); got != want {
			t.Errorf("state %d: %s\nwant %s", upTo, got, want)
		}
	}
	sources, err := st.Sources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sources {
		got = append(got, fmt.Sprintf("%s %s %d %v", s.Origin.Source, filepath.Base(s.Origin.Part), s.Records, s.Feed))
	}
	if want := []string{"import a 1 false", "import b 2 false", "osv CRAN 1 true"}; !slices.Equal(got, want) {
		t.Errorf("sources %q, want %q", got, want)
	}
	if r, err := st.Record(t.Context(), "osv", "TEST-2000-4", math.MaxInt64); err != nil || r.Origin != (store.Origin{Source: "osv", Part: "CRAN"}) {
		t.Errorf("TEST-2000-4: %+v, %v", r, err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}

	for _, s := range [][2]string{{firstScan, firstSnapshot}, {secondScan, secondSnapshot}} {
		out := must(t, "replay", s[0], "--as-of", s[1], "--format", "json", "--data", data)
		var v verdict.Verdict
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, f := range v.Findings {
			ids = append(ids, f.ID+" "+f.Fixed)
		}
		if want := []string{"CVE-2000-0001 98", "CVE-2000-0002 99", "CVE-2000-0003 99"}; !slices.Equal(ids, want) || v.Data.Snapshot != s[1] {
			t.Errorf("replay of %s: %q of %s, want %q", s[0], ids, v.Data.Snapshot, want)
		}
	}
	if out := must(t, "explain", firstScan, "CVE-2000-0002", "--data", data); !strings.Contains(out, "fails it") || !strings.Contains(out, "TEST-2000-2") {
		t.Errorf("explain: %s", out)
	}

	// The next import replaces the imports of all folders.
	folder := t.TempDir()
	for id, n := range map[string]string{"TEST-2000-1": "1", "TEST-2000-3": "3"} {
		record := fmt.Sprintf(`{"id":%q,"modified":"2026-01-01T00:00:00Z","aliases":["CVE-2000-000%s"],"affected":[]}`, id, n)
		if err := os.WriteFile(filepath.Join(folder, n+".json"), []byte(record), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out := must(t, "import", folder, "--data", data); !strings.HasSuffix(out, ": 0 new, 2 changed, 0 unchanged, 1 removed, 0 rejected\n") {
		t.Errorf("import: %s", out)
	}
}

// An import replaces the records of its source. It is refused if it looks like other data.
func TestImportSources(t *testing.T) {
	data := t.TempDir()
	folder := func(ids ...string) string {
		dir := t.TempDir()
		for _, id := range ids {
			record := fmt.Sprintf(`{"id":%q,"modified":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"npm","name":"p"},"versions":["1"]}]}`, id)
			if err := os.WriteFile(filepath.Join(dir, id+".json"), []byte(record), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	counts := func(want string, args ...string) {
		t.Helper()
		if out := must(t, append([]string{"import", "--data", data}, args...)...); !strings.HasSuffix(out, want+"\n") {
			t.Errorf("import %q: %q, want %q", args, out, want)
		}
	}
	refused := func(what, next string, args ...string) {
		t.Helper()
		_, _, err := assayd(t, append([]string{"import", "--data", data}, args...)...)
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("import %q: error %v, want %q", args, err, what)
		} else if !strings.Contains(hint.Of(err), next) {
			t.Errorf("import %q: hint %q, want %q", args, hint.Of(err), next)
		}
	}
	october, november := folder("A-1", "A-2", "A-3"), folder("A-2", "A-3", "A-4")
	counts("3 new, 0 changed, 0 unchanged, 0 removed, 0 rejected", october)
	counts("1 new, 0 changed, 2 unchanged, 1 removed, 0 rejected", november)
	counts("0 new, 0 changed, 3 unchanged, 0 removed, 0 rejected", november)
	other := folder("B-1", "B-2", "B-3", "B-4")
	refused(`3 of the 3 records of source "import" are missing from this import`, "--source OTHER", other)
	counts("4 new, 0 changed, 0 unchanged, 0 removed, 0 rejected", "--source", "other", other)
	counts("4 new, 0 changed, 0 unchanged, 0 removed, 0 rejected", "--add", other)
	counts("0 new, 0 changed, 7 unchanged, 0 removed, 0 rejected", november, other)
	refused("5 of the 7 records", "--replace", folder("A-2", "B-1"))
	counts("0 new, 0 changed, 2 unchanged, 5 removed, 0 rejected", "--replace", folder("A-2", "B-1"))
	status := must(t, "status", "--data", data)
	for _, want := range []string{"advisories     6\n", "\nimport  2 ", "\nother   4 "} {
		if !strings.Contains(status, want) {
			t.Errorf("status lacks %q: %s", want, status)
		}
	}
	counts("other: 4 removed", "--source", "other", "--drop")
	if status := must(t, "status", "--data", data); strings.Contains(status, "\nother ") || !strings.Contains(status, "\nimport  2 ") {
		t.Errorf("status after --drop lists the dropped source or lacks the other: %s", status)
	}
	refused("unknown source", "status", "--source", "nobody", "--drop")
	refused("imports nothing", "--drop", "--drop", other)
	refused("exclude each other", "--add", "--add", "--replace", other)
	for _, name := range []string{"osv", "kev", "epss", "", "a:b", "A", "../x", strings.Repeat("x", 65)} {
		refused("--source", "", "--source", name, other)
	}
}
