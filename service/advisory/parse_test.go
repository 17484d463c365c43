package advisory_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/service/advisory"
)

func TestParse(t *testing.T) {
	const base = `"id":"X-1","modified":"2024-01-02T03:04:05Z"`
	events := func(s string) string {
		return `{` + base + `,"affected":[{"package":{"ecosystem":"npm","name":"a"},"ranges":[{"type":"SEMVER","events":` + s + `}]}]}`
	}
	for _, tt := range []struct {
		name, in string
		err      string // part of the error, empty for none
	}{
		{"least", `{` + base + `}`, ""},
		{"unknown fields", `{` + base + `,"credits":[{"name":"n"}],"new":{"a":[1]}}`, ""},
		{"later minor version", `{"schema_version":"1.99.0",` + base + `}`, ""},
		{"major only", `{"schema_version":"1",` + base + `}`, ""},
		{"null lists", `{` + base + `,"aliases":null,"affected":null,"withdrawn":null,"database_specific":null}`, ""},
		{"fraction and offset", `{"id":"X-1","modified":"2024-01-02T05:04:05.123456789+02:00"}`, ""},
		{"one field for each event", events(`[{"introduced":"0"},{"fixed":"1"},{"introduced":"2"},{"last_affected":"3"},{"limit":"4"}]`), ""},
		{"no events", events(`[]`), ""},

		{"major 2", `{"schema_version":"2.0.0",` + base + `}`, `schema version "2.0.0"`},
		{"major 10", `{"schema_version":"10.0.0",` + base + `}`, `schema version "10.0.0"`},
		{"major 0", `{"schema_version":"0.9.0",` + base + `}`, `schema version "0.9.0"`},
		{"no id", `{"modified":"2024-01-02T03:04:05Z"}`, "has no id"},
		{"id with a line break", `{"id":"X\n1","modified":"2024-01-02T03:04:05Z"}`, "control characters"},
		{"id too long", `{"id":"` + strings.Repeat("x", 257) + `","modified":"2024-01-02T03:04:05Z"}`, "id has 257 bytes"},
		{"null modification time", `{"id":"X-1","modified":null}`, "has no modification time"},
		{"no modification time", `{"id":"X-1"}`, "has no modification time"},
		{"modification time not RFC 3339", `{"id":"X-1","modified":"2024-01-02"}`, "not an OSV record"},
		{"withdrawn not a time", `{` + base + `,"withdrawn":true}`, "not an OSV record"},
		{"event with nothing", events(`[{}]`), `package "a" has 0`},
		{"event that is null", events(`[null]`), "has 0"},
		{"event of an unknown kind", events(`[{"mended":"1"}]`), "has 0"},
		{"event with two fields", events(`[{"introduced":"0","fixed":"1"}]`), "has 2"},
		{"not an object", `["a"]`, "not an OSV record"},
		{"cut off", `{` + base, "not an OSV record"},
		{"two records", `{` + base + `}{` + base + `}`, "not an OSV record"},
		{"empty", ``, "not an OSV record"},
		{"64 levels", `{` + base + `,"x":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}`, ""},
		{"65 levels", `{` + base + `,"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, "deeper than 64"},
		{"brackets in a string", `{` + base + `,"summary":"\"` + strings.Repeat("[{", 100) + `"}`, ""},
		{"too large", `{` + base + `,"details":"` + strings.Repeat("x", advisory.MaxSize) + `"}`, "more than 16777216"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := advisory.Parse([]byte(tt.in))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("Parse: %v, want an error with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if a.ID != "X-1" || a.Modified.Unix() != 1704164645 {
				t.Errorf("id %q, modified %v", a.ID, a.Modified)
			}
			if a.DatabaseSpecific != nil || a.Withdrawn != nil {
				t.Errorf("null became %q, %v", a.DatabaseSpecific, a.Withdrawn)
			}
			if a.SchemaVersion == "" {
				t.Error("no schema version")
			}
		})
	}
}

func TestParseOwnsItsMemory(t *testing.T) {
	in := []byte(`{"id":"X-1","modified":"2024-01-02T03:04:05Z","database_specific":{"a":1}}`)
	a, err := advisory.Parse(in)
	if err != nil {
		t.Fatal(err)
	}
	clear(in)
	if a.ID != "X-1" || string(a.DatabaseSpecific) != `{"a":1}` || a.SchemaVersion != "1.0.0" {
		t.Errorf("%q %s %q", a.ID, a.DatabaseSpecific, a.SchemaVersion)
	}
}

// A genuine record, and what a reader of its text finds in it.
func TestParseGenuine(t *testing.T) {
	b, err := os.ReadFile(testkit.Path(t, "osv-samples", "GHSA-mc8h-8q98-g5hr.json"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := advisory.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if a.ID != "GHSA-mc8h-8q98-g5hr" || a.Aliases != nil || a.Withdrawn != nil {
		t.Errorf("id %q, aliases %v, withdrawn %v", a.ID, a.Aliases, a.Withdrawn)
	}
	if want := time.Date(2023, 2, 24, 16, 23, 59, 0, time.UTC); !a.Published.Equal(want) {
		t.Errorf("published %v, want %v", a.Published, want)
	}
	want := []advisory.Fix{{Ecosystem: "crates.io", Package: "remove_dir_all", Version: "0.8.0"}}
	if got := slices.Collect(a.Fixes()); !slices.Equal(got, want) {
		t.Errorf("fixes %v, want %v", got, want)
	}
}

// Records of the Go project's repository say that they were never modified.
func TestParseZeroTime(t *testing.T) {
	a, err := advisory.Parse([]byte(`{"id":"GO-2020-0001","modified":"0001-01-01T00:00:00Z"}`))
	if err != nil || !a.Modified.IsZero() {
		t.Errorf("modified %v, %v", a.Modified, err)
	}
}

func TestFixes(t *testing.T) {
	a := advisory.Advisory{Affected: []advisory.Affected{
		{Package: advisory.Package{Ecosystem: "Debian:12", Name: "curl"}, Ranges: []advisory.Range{
			{Type: advisory.Git, Events: []advisory.Event{{Introduced: "0"}, {Fixed: "c0ffee"}}},
			{Type: advisory.Ecosystem, Events: []advisory.Event{{Introduced: "0"}, {Fixed: "1-1"}, {Introduced: "2"}, {Fixed: "2-1"}}},
		}},
		{Package: advisory.Package{Ecosystem: "Debian:12", Name: "curl"}, Ranges: []advisory.Range{
			{Type: advisory.Ecosystem, Events: []advisory.Event{{Introduced: "0"}, {Fixed: "1-1"}}},
		}},
		{Package: advisory.Package{Ecosystem: "Debian:11", Name: "curl"}, Ranges: []advisory.Range{
			{Type: advisory.Ecosystem, Events: []advisory.Event{{Introduced: "0"}, {Fixed: "1-1"}}},
		}},
		{Package: advisory.Package{Ecosystem: "npm", Name: "b"}, Ranges: []advisory.Range{
			{Type: advisory.Semver, Events: []advisory.Event{{Introduced: "0"}, {LastAffected: "1.0.0"}}},
		}},
		{Ranges: []advisory.Range{{Type: advisory.Semver, Events: []advisory.Event{{Fixed: "1.0.0"}}}}},
	}}
	want := []advisory.Fix{
		{Ecosystem: "Debian:12", Package: "curl", Version: "1-1"},
		{Ecosystem: "Debian:12", Package: "curl", Version: "2-1"},
		{Ecosystem: "Debian:11", Package: "curl", Version: "1-1"},
	}
	if got := slices.Collect(a.Fixes()); !slices.Equal(got, want) {
		t.Errorf("fixes %v, want %v", got, want)
	}
	for f := range a.Fixes() { // stopping early is allowed
		if f != want[0] {
			t.Errorf("first fix %v", f)
		}
		break
	}
}

// What was read is written and read again as the same.
func FuzzParse(f *testing.F) {
	samples, err := filepath.Glob(filepath.Join(testkit.Path(f, "osv-samples"), "*.json"))
	if err != nil || len(samples) == 0 {
		f.Fatalf("no samples: %v", err)
	}
	for _, name := range samples {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := advisory.Parse(b)
		if err != nil {
			return
		}
		once, err := json.Marshal(a)
		if err != nil {
			t.Fatalf("what was parsed cannot be written: %v", err)
		}
		again, err := advisory.Parse(once)
		if err != nil {
			t.Fatalf("what was written cannot be parsed: %v\n%s", err, once)
		}
		twice, err := json.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(once, twice) {
			t.Errorf("changed on the way:\n%s\n%s", once, twice)
		}
		fixes := slices.Collect(a.Fixes())
		if !slices.Equal(fixes, slices.Collect(again.Fixes())) {
			t.Errorf("fixes changed on the way: %v", fixes)
		}
		for i, fix := range fixes {
			if fix.Ecosystem == "" || fix.Package == "" || fix.Version == "" || slices.Contains(fixes[:i], fix) {
				t.Errorf("fix %+v is incomplete or there twice", fix)
			}
		}
	})
}
