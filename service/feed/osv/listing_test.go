package osv

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
)

func TestParseListing(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     string // ids with their times, or the error
		ok       bool
	}{
		{"of an ecosystem", "2026-08-21T12:56:10Z,ALSA-2026:55775\n2026-08-21T12:52:54.5Z,ALSA-2026:55787\n", "map[ALSA-2026:55775:2026-08-21T12:56:10Z ALSA-2026:55787:2026-08-21T12:52:54.5Z]", true},
		{"of the whole bucket", "2026-08-21T12:56:10Z,npm/MAL-1\r\n", "map[MAL-1:2026-08-21T12:56:10Z]", true},
		{"zero", "0001-01-01T00:00:00Z,GO-1\n", "map[GO-1:0001-01-01T00:00:00Z]", true},
		{"no line end", "0001-01-01T00:00:00Z,GO-1", "cut off", false},
		{"offset", "2026-08-21T12:00:00+02:00,GO-1\n", "map[GO-1:2026-08-21T10:00:00Z]", true},
		{"twice", "2026-01-01T00:00:00Z,A\n2026-01-02T00:00:00Z,A\n2026-01-01T00:00:00Z,A\n", "map[A:2026-01-02T00:00:00Z]", true},
		{"empty", "", "empty", false},
		{"header", "modified,id\n", `invalid time "modified"`, false},
		{"empty line", "2026-01-01T00:00:00Z,A\n\n", "line 2", false},
		{"another folder", "2026-01-01T00:00:00Z,PyPI/A\n", "invalid id", false},
		{"out of the folder", "2026-01-01T00:00:00Z,npm/../A\n", "invalid id", false},
		{"dots", "2026-01-01T00:00:00Z,..\n", "invalid id", false},
		{"invalid id", "2026-01-01T00:00:00Z,\n", "invalid id", false},
		{"three fields", "2026-01-01T00:00:00Z,A,B\n", "invalid id", false},
		{"long", "2026-01-01T00:00:00Z," + strings.Repeat("x", 257), "invalid id", false},
		{"control characters", "2026-01-01T00:00:00Z,A\x00\n", "invalid id", false},
	} {
		l, err := parseListing([]byte(tt.in), "npm")
		got := fmt.Sprint(err)
		if err == nil {
			texts := map[string]string{}
			for id, at := range l.modified {
				texts[id] = at.Format(time.RFC3339Nano)
			}
			got = fmt.Sprint(texts)
		}
		if (err == nil) != tt.ok || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Every list of the test data, with the number of its lines.
func TestParseGenuineListing(t *testing.T) {
	for ecosystem, newest := range map[string]string{"Debian": "2026-11-22T18:00:55Z", "AlmaLinux": "2026-08-21T12:56:10Z", "Go": "0001-01-01T00:00:00Z", "Maven": "2024-08-27T15:30:50.773089Z"} {
		b, err := os.ReadFile(testkit.Path(t, "osv", ecosystem, "modified_id.csv"))
		if err != nil {
			t.Fatal(err)
		}
		l, err := parseListing(b, ecosystem)
		if err != nil || len(l.modified) != bytes.Count(b, []byte("\n")) || l.newest.Format(time.RFC3339Nano) != newest {
			t.Errorf("%s: %d records, newest %v, %v", ecosystem, len(l.modified), l.newest, err)
		}
	}
}

// What was read, written down again in another order, is read as the same; no id
// is a path.
func FuzzParseListing(f *testing.F) {
	b, err := os.ReadFile(testkit.Path(f, "osv", "CRAN", "modified_id.csv"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("2026-08-21T12:56:10Z,npm/MAL-1\r\n2026-08-21T12:00:00+02:00,A\n"))
	f.Add([]byte("9999-12-31T23:59:59.999999999-23:59,A\n0000-01-01T00:00:00+23:59,B\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseListing(b, "npm")
		if err != nil {
			return
		}
		var again bytes.Buffer
		for id, at := range l.modified {
			if strings.ContainsAny(id, "/\\\n\x00") || id == ".." || at.After(l.newest) {
				t.Errorf("id %q at %v, newest %v", id, at, l.newest)
			}
			if y := at.Year(); y < 0 || y > 9999 {
				return // cannot be written in four digits
			}
			fmt.Fprintf(&again, "%s,%s\n", at.Format(time.RFC3339Nano), id)
		}
		m, err := parseListing(again.Bytes(), "npm")
		if err != nil {
			t.Fatal(err)
		}
		if len(m.modified) != len(l.modified) || !m.newest.Equal(l.newest) {
			t.Errorf("%d records became %d", len(l.modified), len(m.modified))
		}
		for id, at := range l.modified {
			if !m.modified[id].Equal(at) {
				t.Errorf("%q at %v became %v", id, at, m.modified[id])
			}
		}
	})
}
