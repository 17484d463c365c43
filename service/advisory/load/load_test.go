package load_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/service/advisory/load"
	"assay/service/store"
)

const modified = "2024-01-02T03:04:05Z"

func osv(id string) string {
	return fmt.Sprintf(`{"id":%q,"modified":%q,"affected":[{"package":{"ecosystem":"npm","name":"a"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.2.3"},{"introduced":"2"},{"fixed":"1.2.3"}]}]}]}`, id, modified)
}

// zipOf makes an archive of name, content, name, content …
func zipOf(t testing.TB, parts ...string) string {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for i := 0; i < len(parts); i += 2 {
		w, err := z.Create(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(parts[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// folder writes files, name to content.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// read returns the ids in their order, and the error that ended the reading.
func read(src *load.Source) (ids []string, failed error) {
	for r, err := range src.Records() {
		switch {
		case errors.Is(err, store.ErrRejected):
		case err != nil:
			failed = err
		default:
			ids = append(ids, r.ID)
		}
	}
	return ids, failed
}

func rejections(src *load.Source) (out []string) {
	for _, r := range src.Rejected() {
		out = append(out, r.Error())
	}
	return out
}

func TestRecord(t *testing.T) {
	body := "  " + osv("X-1") + "\n"
	dir := folder(t, map[string]string{"x.json": body})
	n := 0
	for r, err := range load.Open(filepath.Join(dir, "x.json")).Records() {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if want := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC); r.ID != "X-1" || !r.Modified.Equal(want) || string(r.Body) != body {
			t.Errorf("record %+v", r)
		}
		if want := []store.Fix{{Ecosystem: "npm", Package: "a", Version: "1.2.3"}}; !slices.Equal(r.Fixes, want) {
			t.Errorf("fixes %v, want %v", r.Fixes, want)
		}
	}
	if n != 1 {
		t.Errorf("%d records", n)
	}
}

func TestFolder(t *testing.T) {
	dir := folder(t, map[string]string{
		"b.json":           osv("X-2"),
		"a/z.json":         osv("X-1"),
		"a/readme.md":      "not looked at",
		"c.json":           `{"id":"X-3"}`,
		"npm/all.zip":      zipOf(t, "X-5.json", osv("X-5"), "X-4.json", osv("X-4"), "README", "?", "sub/X-6.json", "[]"),
		"npm/modified.csv": "?",
		"old/all.zip":      "no archive",
	})
	outside := folder(t, map[string]string{"secret.json": osv("OUTSIDE"), "d/in.json": osv("OUTSIDE")})
	for name, target := range map[string]string{
		"d.json": filepath.Join(dir, "b.json"), // absolute, so it leads out
		"e.json": "b.json",
		"f.json": "../" + filepath.Base(outside) + "/secret.json",
		"g":      outside, // its records would be missing
		"inside": "npm",   // is read where it leads to
		"h.json": "a",     // a folder with the name of a record
		"i.json": "nowhere",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	src := load.Open(dir)
	ids, err := read(src)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"X-1", "X-2", "X-2", "X-5", "X-4"}; !slices.Equal(ids, want) {
		t.Errorf("ids %q, want %q", ids, want)
	}
	got := rejections(src)
	want := []string{
		`c.json: record "X-3" has no modification time`,
		"d.json: ", "f.json: ", "g: ", "i.json: ",
		"npm/all.zip: sub/X-6.json: not an OSV record",
		"old/all.zip: zip: not a valid zip file",
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("rejected %q, want %q", got, want)
	}
	if c, want := src.Counts(), (load.Counts{Files: 12, Records: 5, Rejected: 7}); c != want {
		t.Errorf("counts %+v, want %+v", c, want)
	}

	// A second reading begins anew.
	if again, err := read(src); err != nil || !slices.Equal(again, ids) || src.Counts().Files != 12 || len(src.Rejected()) != 7 {
		t.Errorf("second reading: %q, %v, %+v", again, err, src.Counts())
	}
	// So does one after a reading that was ended early.
	for range src.Records() {
		break
	}
	if again, err := read(src); err != nil || !slices.Equal(again, ids) {
		t.Errorf("third reading: %q, %v", again, err)
	}

	// The folder itself may be a link.
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if again, err := read(load.Open(link)); err != nil || !slices.Equal(again, ids) {
		t.Errorf("by a link: %q, %v", again, err)
	}
}

func TestNothingToRead(t *testing.T) {
	dir := folder(t, map[string]string{
		"empty/readme.md":    "?",
		"broken/a.json":      "{",
		"broken/b.json":      "[]",
		"nothing.zip":        zipOf(t, "readme", "?"),
		"text.zip":           "?",
		"x.txt":              osv("X-1"),
		"archive/nested.zip": zipOf(t, "all.zip", zipOf(t, "x.json", osv("X-1"))),
	})
	for name, want := range map[string]string{
		"missing":     "no such file",
		"empty":       "it has neither",
		"broken":      "all 2 files were rejected, the first: a.json: not an OSV record",
		"nothing.zip": "it has neither",
		"text.zip":    "all 1 files were rejected, the first: text.zip: zip: not a valid zip file",
		"x.txt":       "neither a folder nor a .json or .zip file",
		"archive":     "it has neither",
	} {
		src := load.Open(filepath.Join(dir, name))
		ids, err := read(src)
		if len(ids) != 0 || err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %q, %v, want an error with %q", name, ids, err, want)
		}
	}
}

// What the data's own documentation counts.
func TestGenuineData(t *testing.T) {
	for name, want := range map[string]int{
		"AlmaLinux": 5637, "Alpine": 2438, "Azure Linux": 3191, "Bitnami": 7444, "CRAN": 14, "Debian": 18219,
		"Go": 4291, "Hackage": 35, "Julia": 1703, "Maven": 364, "PSF-python": 132, "Packagist": 1199,
		"PyPI": 2661, "RubyGems": 1157, "crates.io": 1206,
	} {
		src := load.Open(testkit.Path(t, "osv", name, "all.zip"))
		ids, err := read(src)
		if err != nil || len(ids) != want || src.Counts().Rejected != 0 {
			t.Errorf("%s: %d records, want %d; %v; rejected %q", name, len(ids), want, err, rejections(src))
		}
		t.Logf("%-12s %6d records", name, len(ids))
	}

	src := load.Open(testkit.Path(t, "osv-samples"))
	ids, err := read(src)
	if err != nil || len(ids) != 150 || src.Counts().Rejected != 0 {
		t.Errorf("samples: %d records, want 150; %v; rejected %q", len(ids), err, rejections(src))
	}
}

// The fixes of all Debian records, counted by a reader of the plain JSON.
func TestGenuineFixes(t *testing.T) {
	var fixes, deb12 int
	for r, err := range load.Open(testkit.Path(t, "osv", "Debian", "all.zip")).Records() {
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Fixes {
			if fixes++; f.Ecosystem == "Debian:12" {
				deb12++
			}
		}
	}
	if fixes != 19396 || deb12 != 12853 {
		t.Errorf("%d fixes, %d of them for Debian:12, want 19396 and 12853", fixes, deb12)
	}
}
