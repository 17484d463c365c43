package redhat

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"assay/check/testkit"
	"assay/service/advisory"
)

// read reads a genuine document.
func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, "feeds", "redhat-csaf-vex", name))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// split returns the genuine documents of a file: one, one in each line, or an archive.
func split(t testing.TB, name string) [][]byte {
	t.Helper()
	b := read(t, name)
	if strings.Contains(name, ".jsonl") {
		return bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	}
	if !strings.HasSuffix(name, ".zst") {
		return [][]byte{b}
	}
	z, err := zstd.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var all [][]byte
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		doc, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, doc)
	}
}

// counts describes a conversion: the entries with a fix, without one, and about packages
// that are not affected.
func counts(a advisory.Advisory, ok bool, problems []string, err error) string {
	if err != nil {
		return "rejected: " + err.Error()
	}
	if !ok {
		return "nothing"
	}
	fixed, open, not := 0, 0, 0
	for _, af := range a.Affected {
		switch {
		case len(af.Ranges) == 0:
			not++
		case len(af.Ranges[0].Events) == 1:
			open++
		default:
			fixed++
		}
	}
	s := fmt.Sprintf("%d fixed, %d open, %d not affected", fixed, open, not)
	if len(problems) > 0 {
		s += "; " + strings.Join(problems, "; ")
	}
	return s
}

// genuine has what each genuine file becomes, document by document.
var genuine = map[string][]string{
	"claircore-acceptance-cve-2024-0727-openssl.json":  {"2 fixed, 15 open, 8 not affected"},
	"claircore-acceptance-cve-2025-40907-perl.json.gz": {"36 fixed, 0 open, 0 not affected"},
	"claircore-acceptance-cve-2025-6176.json.gz":       {"16 fixed, 3 open, 5 not affected"},
	"claircore-acceptance-cve-2026-0968.json":          {"0 fixed, 3 open, 2 not affected"},
	"claircore-acceptance-cve-2026-123.json":           {`rejected: the tracking ID "CVE-2026-123" is not a CVE ID`},
	"claircore-acceptance-cve-2026-2297.json":          {"0 fixed, 52 open, 0 not affected"},
	"claircore-acceptance-cve-2026-2673.json":          {"0 fixed, 13 open, 0 not affected"},
	"claircore-acceptance-cve-2026-27142-go.json":      {"nothing"}, // a Go module
	"claircore-acceptance-cve-2026-27142.json":         {"2 fixed, 4 open, 2 not affected"},
	"claircore-acceptance-cve-2026-456-python.json":    {`rejected: the tracking ID "CVE-2026-456" is not a CVE ID`},
	"claircore-cve-2022-1705.jsonl.gz":                 {"233 fixed, 30 open, 298 not affected"},
	"claircore-cve-2022-38752.json.gz":                 {"7 fixed, 53 open, 883 not affected"},
	"claircore-cve-2022-38752.jsonl.gz":                {"7 fixed, 53 open, 883 not affected"},
	"claircore-cve-2023-38545.json.gz":                 {"11 fixed, 0 open, 55 not affected"},
	"claircore-cve-2023-4154.json":                     {"0 fixed, 0 open, 6 not affected"},
	"claircore-cve-2023-42670.json":                    {"0 fixed, 0 open, 6 not affected"},
	"claircore-cve-2024-24786-bad-rpmmod.json": {
		`1 fixed, 2 open, 0 not affected; "AppStream-10:firefox-flatpak-0:128.0-1.el10.src": invalid module stream "rhel10"`},
	"claircore-cve-2024-24786-illegal-module.json": {"0 fixed, 1 open, 0 not affected"},
	"claircore-cve-2024-24786-simple.json":         {"1 fixed, 0 open, 0 not affected"},
	"claircore-cve-2024-7348.jsonl.gz":             {"88 fixed, 2 open, 0 not affected"},
	"claircore-delete_CVE-2023-0030.json":          {"nothing"},
	"claircore-delete_CVE-2023-0031.json":          {"nothing"},
	"claircore-example_vex.jsonl.gz": {
		"0 fixed, 0 open, 12 not affected", "0 fixed, 0 open, 12 not affected", "1 fixed, 12 open, 0 not affected", "0 fixed, 0 open, 12 not affected",
		"1 fixed, 12 open, 0 not affected", "1 fixed, 12 open, 0 not affected", "nothing", "nothing"},
	"claircore-server-csaf_vex_2023-10-31.tar.zst": {
		"0 fixed, 6 open, 2 not affected", "0 fixed, 8 open, 0 not affected", "0 fixed, 8 open, 6 not affected", "0 fixed, 0 open, 16 not affected",
		"0 fixed, 0 open, 14 not affected"},
	"grype-csaf-vex.json": {"1 fixed, 0 open, 2 not affected"},
}

// TestConvertGenuine converts all genuine documents.
func TestConvertGenuine(t *testing.T) {
	files, err := filepath.Glob(testkit.Path(t, "feeds", "redhat-csaf-vex") + "/*")
	if err != nil || len(files) != len(genuine) {
		t.Fatalf("%d files, want %d; %v", len(files), len(genuine), err)
	}
	for name, want := range genuine {
		docs := split(t, name)
		if len(docs) != len(want) {
			t.Errorf("%s: %d documents, want %d", name, len(docs), len(want))
			continue
		}
		for i, doc := range docs {
			if got := counts(convert(doc)); got != want[i] {
				t.Errorf("%s, document %d: %s, want %s", name, i, got, want[i])
			}
		}
	}
}

// TestOtherForms: Red Hat's advisories in the form of CSAF and the answers of its API for a
// CVE, which other scanners read, are not VEX documents. All are rejected.
func TestOtherForms(t *testing.T) {
	docs := map[string][]byte{}
	dir := testkit.Path(t, "feeds", "redhat-csaf-advisory", "osv-schema", "CSAF")
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		docs[f.Name()] = read(t, filepath.Join("..", "redhat-csaf-advisory", "osv-schema", "CSAF", f.Name()))
	}
	z, err := zip.OpenReader(testkit.Path(t, "feeds", "redhat", "vunnel.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, f := range z.File {
		if !strings.HasPrefix(f.Name, "csaf/") || !strings.HasSuffix(f.Name, ".json") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if docs[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
	reasons := map[string]int{}
	for name, doc := range docs {
		_, ok, _, err := convert(doc)
		if ok || err == nil {
			t.Errorf("%s is taken for a VEX document", name)
			continue
		}
		reason, _, _ := strings.Cut(err.Error(), `"`)
		reasons[reason]++
	}
	want := map[string]int{"the tracking ID ": 13, "not a CSAF document: it has no tracking ID": 2, "not a CSAF document: json: cannot unmarshal array into Go value of type struct { Document struct { Category string ": 1}
	if !maps.Equal(reasons, want) {
		t.Errorf("%v, want %v", reasons, want)
	}
}
