// Package osvtest makes OSV records for tests that need an ecosystem of the public
// bucket, but not its content.
package osvtest

import (
	"archive/zip"
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Records returns the records of an ecosystem by id: 14 of CRAN, 35 of Hackage, and 150
// of Azure Linux and crates.io. Each is about one package and has a fix.
func Records(ecosystem string) map[string][]byte {
	records := make(map[string][]byte)
	add := func(id string) {
		n := len(records)
		records[id] = fmt.Appendf(nil, `{"schema_version":"1.7.0","id":%q,"modified":%q,"summary":"Test record %d","affected":[{"package":`+
			`{"ecosystem":%q,"name":"package%d"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.%d.0"}]}]}]}`,
			id, modified(n), n, ecosystem, n%20, n)
	}
	switch ecosystem {
	case "CRAN":
		for i := range 14 {
			add(fmt.Sprintf("RSEC-%d-%d", 2026-i/5, i%5))
		}
	case "Hackage":
		for i := range 35 {
			add(fmt.Sprintf("HSEC-%d-%04d", 2023+i/12, 1+i%12))
		}
	case "Azure Linux":
		for i := range 150 {
			add(fmt.Sprintf("AZL-%d", 10_000+i))
		}
	case "crates.io":
		for i := range 150 {
			add(fmt.Sprintf("RUSTSEC-2020-%04d", 1+i))
		}
	}
	return records
}

func modified(n int) string {
	return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(-time.Duration(n) * time.Hour).Format(time.RFC3339)
}

// WriteMirror writes the ecosystems to dir in the form of the public bucket.
func WriteMirror(dir string, ecosystems ...string) error {
	for _, e := range ecosystems {
		records := Records(e)
		var archive, list bytes.Buffer
		z := zip.NewWriter(&archive)
		for i, id := range slices.Sorted(maps.Keys(records)) {
			w, err := z.Create(id + ".json")
			if err != nil {
				return fmt.Errorf("record %d: %w", i, err)
			}
			if _, err := w.Write(records[id]); err != nil {
				return err
			}
			_, after, _ := strings.Cut(string(records[id]), `"modified":"`)
			at, _, _ := strings.Cut(after, `"`)
			fmt.Fprintf(&list, "%s,%s\n", at, id)
		}
		if err := z.Close(); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(dir, e), 0o755); err != nil {
			return err
		}
		for name, b := range map[string][]byte{"all.zip": archive.Bytes(), "modified_id.csv": list.Bytes()} {
			if err := os.WriteFile(filepath.Join(dir, e, name), b, 0o644); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(filepath.Join(dir, "ecosystems.txt"), []byte(strings.Join(ecosystems, "\n")+"\n"), 0o644)
}
