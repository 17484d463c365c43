package redhat

import (
	"archive/tar"
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"assay/check/testkit/feedtest"
)

// packed returns an archive of documents by their names, as the publisher packs them.
func packed(t testing.TB, docs map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "2024/", Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(docs[name])), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(docs[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return z.EncodeAll(b.Bytes(), nil)
}

// document returns a small document in which a version of a package has the fix.
func document(cve, fixed string) string {
	return `{"document":{"category":"csaf_vex","csaf_version":"2.0","aggregate_severity":{"text":"Low"},"tracking":{"id":"` + cve +
		`","status":"final","current_release_date":"2026-11-01T00:00:00+00:00"}},"product_tree":{"branches":[{"category":"vendor","branches":[` +
		`{"product":{"product_id":"AppStream-9","product_identification_helper":{"cpe":"cpe:/a:redhat:enterprise_linux:9::appstream"}}},` +
		`{"product":{"product_id":"p","product_identification_helper":{"purl":"pkg:rpm/redhat/p@` + fixed + `?arch=src&epoch=1"}}}]}],` +
		`"relationships":[{"category":"default_component_of","full_product_name":{"product_id":"AppStream-9:p"},"product_reference":"p",` +
		`"relates_to_product_reference":"AppStream-9"}]},"vulnerabilities":[{"cve":"` + cve + `","product_status":{"fixed":["AppStream-9:p"]}}]}`
}

const table = `{"data":{"rhel-9-for-x86_64-appstream-rpms":{"cpes":["cpe:/a:redhat:enterprise_linux:9::appstream"]}}}`

// publisher returns the files of the publisher with an archive of a day.
func publisher(t testing.TB, day string, docs map[string]string, changes, deletions string) map[string][]byte {
	file := "csaf_vex_" + day + ".tar.zst"
	return map[string][]byte{
		latestFile: []byte(file + "\n"), documents + file: packed(t, docs),
		changesFile: []byte(changes), deletionsFile: []byte(deletions), repositoriesFile: []byte(table),
	}
}

// fixes returns the fixes in the store, by record.
func fixes(t testing.TB, s *feedtest.Server) string {
	var all []string
	for id, a := range s.Advisories(t) {
		if id == repositoriesID {
			all = append(all, "repositories")
			continue
		}
		all = append(all, strings.TrimPrefix(id, IDPrefix)+"="+a.Affected[0].Ranges[0].Events[1].Fixed)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestUpdate reads the archive, and then what changed and was deleted.
func TestUpdate(t *testing.T) {
	docs := map[string]string{
		"2024/cve-2024-0001.json": document("CVE-2024-0001", "1"),
		"2024/cve-2024-0002.json": document("CVE-2024-0002", "1"),
		"2024/cve-2024-0003.json": document("CVE-2024-0003", "1"),
		"2024/README":             "no document",
	}
	const old = `"2024/cve-2024-0003.json","2026-11-01T00:00:00+00:00"` + "\n"
	s := feedtest.New(t, Source(), publisher(t, "2026-11-20", docs, `"2024/cve-2024-0002.json","2026-11-20T10:00:00+00:00"`+"\n"+old, ""))
	s.Put(documents+"2024/cve-2024-0002.json", []byte(document("CVE-2024-0002", "2")))
	o, err := s.Update(t)
	if want := "CVE-2024-0001=1:1 CVE-2024-0002=1:2 CVE-2024-0003=1:1 repositories"; err != nil || !o.Whole || fixes(t, s) != want {
		t.Fatalf("%+v, %v: %s, want %s", o, err, fixes(t, s), want)
	}
	s.Sent()
	if o, err = s.Update(t); err != nil || o.Added+o.Changed+o.Removed != 0 || s.Sent() > 100 {
		t.Errorf("nothing new: %+v, %v", o, err)
	}

	// A changed document, a new one that says nothing about packages, one that is not
	// there yet, a deletion, and a deletion of a document that has appeared again.
	s.Put(changesFile, []byte(`"2024/cve-2024-0009.json","2026-11-28T09:00:00+00:00"`+"\n"+`"2024/cve-2024-0003.json","2026-11-28T08:00:00+00:00"`+"\n"+
		`"2024/cve-2024-0004.json","2026-11-28T07:00:00+00:00"`+"\n"+`"2024/cve-2024-0001.json","2026-11-27T00:00:00+00:00"`+"\n"))
	s.Put(deletionsFile, []byte(`"2024/cve-2024-0002.json","2026-11-28T07:00:00+00:00"`+"\n"+`"2024/cve-2024-0001.json","2026-11-26T00:00:00+00:00"`+"\n"))
	s.Put(documents+"2024/cve-2024-0001.json", []byte(document("CVE-2024-0001", "3")))
	s.Put(documents+"2024/cve-2024-0003.json", []byte(`{"document":{"category":"csaf_vex","tracking":{"id":"CVE-2024-0003","status":"deleted"}}}`))
	s.Put(documents+"2024/cve-2024-0004.json", []byte(`{"document":{"category":"csaf_vex","tracking":{"id":"CVE-2024-0004"}}}`))
	o, err = s.Update(t)
	if want := "CVE-2024-0001=1:3 repositories"; err != nil || o.Whole || o.Behind != 1 || o.Removed != 2 || fixes(t, s) != want {
		t.Fatalf("%+v, %v: %s, want %s", o, err, fixes(t, s), want)
	}

	// The document that was awaited appears, and another is not valid. Its earlier
	// version stays.
	s.Put(documents+"2024/cve-2024-0009.json", []byte(document("CVE-2024-0009", "1")))
	s.Put(documents+"2024/cve-2024-0001.json", []byte(document("CVE-2024-9999", "4")))
	s.Put(changesFile, []byte(`"2024/cve-2024-0001.json","2026-11-28T10:00:00+00:00"`+"\n"))
	o, err = s.Update(t)
	if want := "CVE-2024-0001=1:3 CVE-2024-0009=1:1 repositories"; err != nil || o.Behind != 0 || o.Rejected != 1 || fixes(t, s) != want {
		t.Fatalf("%+v, %v: %s, want %s", o, err, fixes(t, s), want)
	}

	// The table changes alone.
	s.Put(repositoriesFile, bytes.Replace([]byte(table), []byte("x86_64"), []byte("s390x"), 1))
	if o, err = s.Update(t); err != nil || o.Changed != 1 {
		t.Errorf("the table: %+v, %v", o, err)
	}
}

// TestNewerArchive: an archive is read again after a month, with what changed since its day.
func TestNewerArchive(t *testing.T) {
	docs := map[string]string{"2024/cve-2024-0001.json": document("CVE-2024-0001", "1"), "2024/cve-2024-0002.json": document("CVE-2024-0002", "1")}
	const changes = `"2024/cve-2024-0001.json","2026-10-20T10:00:00+00:00"` + "\n"
	s := feedtest.New(t, Source(), publisher(t, "2026-10-20", docs, changes, ""))
	s.Put(documents+"2024/cve-2024-0001.json", []byte(docs["2024/cve-2024-0001.json"]))
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	docs["2024/cve-2024-0002.json"] = document("CVE-2024-0002", "2")
	for name, b := range publisher(t, "2026-11-15", docs, changes, "") {
		s.Put(name, b)
	}
	if o, err := s.Update(t); err != nil || o.Whole {
		t.Errorf("after 26 days: %+v, %v", o, err)
	}
	for name, b := range publisher(t, "2026-11-25", docs, changes, "") {
		s.Put(name, b)
	}
	if o, err := s.Update(t); err != nil || !o.Whole || fixes(t, s) != "CVE-2024-0001=1:1 CVE-2024-0002=1:2 repositories" {
		t.Errorf("after 36 days: %+v, %v: %s", o, err, fixes(t, s))
	}
}

// TestInterrupted: an update that ends in the middle continues, and the data of before is
// served until then.
func TestInterrupted(t *testing.T) {
	docs := map[string]string{"2024/cve-2024-0001.json": document("CVE-2024-0001", "1"), "2024/cve-2024-0002.json": document("CVE-2024-0002", "1")}
	s := feedtest.New(t, Source(), publisher(t, "2026-11-20", docs, `"2024/cve-2024-0001.json","2026-11-01T00:00:00+00:00"`+"\n", ""))
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	// Of two batches of changes the second fails.
	var changes strings.Builder
	for i := range batchSize + 1 {
		name := "2025/cve-2025-" + strings.Repeat("1", 4+i%9) + string(rune('0'+i/9%10)) + string(rune('0'+i/90)) + ".json"
		cve := strings.ToUpper(strings.TrimSuffix(name[5:], ".json"))
		changes.WriteString(`"` + name + `","2026-11-2` + string(rune('1'+i*6/(batchSize+1))) + `T00:00:00+00:00"` + "\n")
		s.Put(documents+name, []byte(document(cve, "1")))
	}
	changes.WriteString(`"2024/cve-2024-0002.json","2026-11-28T00:00:00+00:00"` + "\n")
	s.Put(changesFile, []byte(changes.String()))
	s.Put(documents+"2024/cve-2024-0002.json", []byte("<html>"))
	if _, err := s.Update(t); err == nil || !strings.Contains(err.Error(), "a web page is in the place of the file") {
		t.Fatalf("%v", err)
	}
	if n := len(s.Advisories(t)); n != 3+batchSize {
		t.Errorf("%d records, want those of the first batch too", n)
	}
	s.Put(documents+"2024/cve-2024-0002.json", []byte(document("CVE-2024-0002", "2")))
	o, err := s.Update(t)
	if err != nil || o.Added != 1 || o.Changed != 1 || !strings.Contains(fixes(t, s), "CVE-2024-0002=1:2") {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestBadFiles: files that are not the publisher's end an update, and the data stays.
func TestBadFiles(t *testing.T) {
	docs := map[string]string{"2024/cve-2024-0001.json": document("CVE-2024-0001", "1")}
	files := publisher(t, "2026-11-20", docs, `"2024/cve-2024-0001.json","2026-11-01T00:00:00+00:00"`+"\n", "")
	good := packed(t, docs)
	for name, tt := range map[string]struct{ file, content, err string }{
		"no archive named":     {latestFile, "../../etc/passwd", "does not name an archive"},
		"an archive of no day": {latestFile, "csaf_vex_2026-13-45.tar.zst", "an invalid date"},
		"no documents":         {documents + "csaf_vex_2026-11-20.tar.zst", string(packed(t, map[string]string{"README": "x"})), "has no documents"},
		"an archive cut off":   {documents + "csaf_vex_2026-11-20.tar.zst", string(good[:len(good)/2]), "read archive"},
		"no list":              {changesFile, "hello", "not a list of documents"},
		"a page":               {changesFile, "<html>", "a web page is in the place of the file"},
		"a list elsewhere":     {changesFile, `"../cve-2024-0001.json","2026-11-01T00:00:00+00:00"`, "invalid name"},
		"a list without times": {changesFile, `"2024/cve-2024-0001.json","today"`, "invalid time"},
		"no changes at all":    {changesFile, "", "is empty"},
		"no table":             {repositoriesFile, "[]", "not a table of repositories"},
		"an empty table":       {repositoriesFile, `{"data":{}}`, "no repositories"},
		"a table without CPEs": {repositoriesFile, `{"data":{"r":{"cpes":["cpe:/a:other:x:1"]}}}`, "invalid CPE"},
	} {
		t.Run(name, func(t *testing.T) {
			s := feedtest.New(t, Source(), maps.Clone(files))
			s.Put(tt.file, []byte(tt.content))
			if _, err := s.Update(t); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v, want %q", err, tt.err)
			}
		})
	}
}

func FuzzConvert(f *testing.F) {
	f.Add([]byte(document("CVE-2024-0001", "1")))
	f.Add([]byte(strings.Replace(document("CVE-2024-0001", "1"), "arch=src", "rpmmod=a:b", 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok, _, err := convert(b)
		if err == nil && ok && (a.ID == "" || len(a.Upstream) != 1 || len(a.Affected) == 0) {
			t.Errorf("%+v", a)
		}
	})
}

func FuzzParseList(f *testing.F) {
	f.Add([]byte(`"2024/cve-2024-0001.json","2026-11-01T00:00:00+00:00"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := parseList(b)
		for name, at := range all {
			if err == nil && (at.IsZero() || !documentName.MatchString(name)) {
				t.Errorf("%q at %v", name, at)
			}
		}
	})
}
