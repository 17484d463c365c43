package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"assay/service/advisory"
	"assay/service/advisory/load"
)

// parts is how many archives of equal size a generated data set has. Data sets of 10, 20
// … percent consist of the first ones.
const parts = 10

// A dataset is a data set of the size of all public data: the genuine records of the test
// data once, and records that are generated from them and from documents of Red Hat.
type dataset struct {
	Archives                  []string // names of files; the first has the genuine records too
	Records, Ranges           int
	Genuine, GenuineRanges    int
	Documents, DocumentRanges int // records in the shape of Red Hat's VEX documents
	Bytes                     int64
}

func (d dataset) String() string {
	return fmt.Sprintf("%d records with %d ranges, %d MB: %d genuine (%d ranges); generated from them %d, a ratio of 1:%.1f; in the shape of Red Hat's VEX %d (%d ranges)",
		d.Records, d.Ranges, d.Bytes/1e6, d.Genuine, d.GenuineRanges,
		d.Records-d.Genuine-d.Documents, float64(d.Records-d.Genuine-d.Documents)/float64(d.Genuine), d.Documents, d.DocumentRanges)
}

// makeDataset returns the data set in dir. It generates the set if dir has none.
func makeDataset(testdata, dir string, records, ranges int) (d dataset, err error) {
	about := filepath.Join(dir, "dataset.json")
	b, err := os.ReadFile(about)
	if err == nil {
		return d, json.Unmarshal(b, &d)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return d, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return d, err
	}
	if d, err = generate(testdata, dir, records, ranges); err != nil {
		return d, err
	}
	if b, err = json.Marshal(d); err != nil {
		return d, err
	}
	return d, os.WriteFile(about, b, 0o600)
}

// generate writes a data set of a number of records and ranges to archives in dir.
//
// A generated record is a copy of a genuine one with other ids and package names. It has
// the same numbers of entries and ranges, and the same versions, ratings and texts. A
// record in the shape of Red Hat's VEX has the products, packages and versions of one
// genuine document, with one entry for each product and package. There are as many of
// these as the number of ranges requires.
func generate(testdata, dir string, records, ranges int) (d dataset, err error) {
	genuine, err := readGenuine(testdata)
	if err != nil {
		return d, err
	}
	documents, err := readDocuments(filepath.Join(testdata, "feeds/redhat-csaf-vex"))
	if err != nil {
		return d, err
	}
	w := archiveWriter{dir: dir, out: &d}
	if err := w.open(); err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	for _, r := range genuine {
		d.Genuine++
		d.GenuineRanges += r.ranges
		if err := w.add(r.id, r.body, r.ranges); err != nil {
			return d, err
		}
	}
	perCopy := float64(d.GenuineRanges) / float64(d.Genuine)
	perDocument := 0
	for _, doc := range documents {
		perDocument += len(doc.entries)
	}
	mean := float64(perDocument) / float64(len(documents))
	// x copies and y documents make up the missing records and their ranges.
	missing := float64(records - d.Genuine)
	y := int((float64(ranges-d.GenuineRanges) - missing*perCopy) / (mean - perCopy))
	if y < 0 || y > int(missing) {
		return d, fmt.Errorf("%d records cannot have %d ranges", records, ranges)
	}
	x := int(missing) - y
	random := rand.New(rand.NewPCG(1, 2))
	for part := range parts {
		if part > 0 {
			if err := w.next(); err != nil {
				return d, err
			}
		}
		for i := part * x / parts; i < (part+1)*x/parts; i++ {
			r := genuine[i%len(genuine)]
			id, body, err := r.as(i/len(genuine) + 1)
			if err != nil {
				return d, err
			}
			if err := w.add(id, body, r.ranges); err != nil {
				return d, err
			}
		}
		for i := part * y / parts; i < (part+1)*y/parts; i++ {
			id, body, n, err := documents[random.IntN(len(documents))].as(i)
			if err != nil {
				return d, err
			}
			d.Documents++
			d.DocumentRanges += n
			if err := w.add(id, body, n); err != nil {
				return d, err
			}
		}
	}
	return d, nil
}

// An archiveWriter writes the archives of a data set.
type archiveWriter struct {
	dir  string
	out  *dataset
	file *os.File
	zip  *zip.Writer
}

func (w *archiveWriter) open() (err error) {
	name := fmt.Sprintf("part%02d.zip", len(w.out.Archives))
	if w.file, err = os.Create(filepath.Join(w.dir, name)); err != nil {
		return err
	}
	w.zip = zip.NewWriter(w.file)
	w.out.Archives = append(w.out.Archives, name)
	return nil
}

func (w *archiveWriter) close() error {
	if w.file == nil {
		return nil
	}
	err := errors.Join(w.zip.Close(), w.file.Close())
	w.file = nil
	return err
}

func (w *archiveWriter) next() error {
	if err := w.close(); err != nil {
		return err
	}
	return w.open()
}

func (w *archiveWriter) add(id string, body []byte, ranges int) error {
	f, err := w.zip.Create(strings.ReplaceAll(id, "/", "_") + ".json")
	if err != nil {
		return err
	}
	w.out.Records++
	w.out.Ranges += ranges
	w.out.Bytes += int64(len(body))
	_, err = f.Write(body)
	return err
}

// A genuineRecord is a record of the test data.
type genuineRecord struct {
	id     string
	body   []byte
	ranges int
}

func readGenuine(testdata string) (all []genuineRecord, err error) {
	seen := map[string]bool{}
	for r, err := range load.Open(filepath.Join(testdata, "osv")).Records() {
		if err != nil {
			return nil, err
		}
		if seen[r.ID] {
			continue
		}
		seen[r.ID] = true
		a, err := advisory.Parse(r.Body)
		if err != nil {
			return nil, err
		}
		n := 0
		for _, af := range a.Affected {
			n += len(af.Ranges)
		}
		all = append(all, genuineRecord{r.ID, bytes.Clone(r.Body), n})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no records in %q", testdata)
	}
	return all, nil
}

// as returns the k-th copy of r with other ids and names.
func (r genuineRecord) as(k int) (id string, body []byte, err error) {
	var fields map[string]any
	if err := json.Unmarshal(r.body, &fields); err != nil {
		return "", nil, err
	}
	id = other(r.id, k)
	fields["id"] = id
	for _, key := range []string{"aliases", "upstream", "related"} {
		names, _ := fields[key].([]any)
		for i, n := range names {
			if s, ok := n.(string); ok {
				names[i] = other(s, k)
			}
		}
	}
	affected, _ := fields["affected"].([]any)
	for _, af := range affected {
		entry, _ := af.(map[string]any)
		p, _ := entry["package"].(map[string]any)
		if name, ok := p["name"].(string); ok {
			p["name"] = fmt.Sprintf("%s-g%d", name, k)
			delete(p, "purl")
		}
	}
	body, err = json.Marshal(fields)
	return id, body, err
}

// other returns another id in the form of a genuine one. A CVE remains a CVE, with a
// number that is not assigned.
func other(id string, k int) string {
	if at := strings.LastIndexByte(id, '-'); at >= 0 && strings.Contains(id[:at], "CVE-") {
		if n, err := strconv.Atoi(id[at+1:]); err == nil && n < 1e6 {
			return fmt.Sprintf("%s%d", id[:at+1], 1_000_000*k+n)
		}
	}
	return fmt.Sprintf("%s-g%d", id, k)
}

// A vexDocument has the statements of one genuine document of Red Hat: one for each
// product and package, without the architecture.
type vexDocument struct {
	entries []vexEntry
	text    string
}

type vexEntry struct{ product, name, fixed string }

func readDocuments(dir string) (all []vexDocument, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "claircore-*cve-*.json*"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var r io.Reader = bytes.NewReader(b)
		if strings.HasSuffix(name, ".gz") {
			if r, err = gzip.NewReader(r); err != nil {
				return nil, err
			}
		}
		dec := json.NewDecoder(bufio.NewReader(r))
		for {
			var doc struct {
				Vulnerabilities []struct {
					Title  string `json:"title"`
					Status struct {
						Fixed    []string `json:"fixed"`
						Affected []string `json:"known_affected"`
					} `json:"product_status"`
				} `json:"vulnerabilities"`
			}
			if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("%q: %w", name, err)
			}
			for _, v := range doc.Vulnerabilities {
				d := vexDocument{text: v.Title}
				for _, id := range v.Status.Fixed {
					if e, ok := fixedEntry(id); ok && !slices.Contains(d.entries, e) {
						d.entries = append(d.entries, e)
					}
				}
				for _, id := range v.Status.Affected {
					product, pkg, ok := strings.Cut(id, ":")
					if e := (vexEntry{product, pkg, ""}); ok && !slices.Contains(d.entries, e) {
						d.entries = append(d.entries, e)
					}
				}
				if len(d.entries) > 0 {
					all = append(all, d)
				}
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no documents in %q", dir)
	}
	return all, nil
}

// fixedEntry splits "AppStream-9.4.0.GA:openssl-1:3.0.7-27.el9.aarch64".
func fixedEntry(id string) (vexEntry, bool) {
	product, nevra, ok := strings.Cut(id, ":")
	at := strings.LastIndexByte(nevra, '.')
	if !ok || at < 0 {
		return vexEntry{}, false
	}
	nevr := nevra[:at]
	release := strings.LastIndexByte(nevr, '-')
	if release < 0 {
		return vexEntry{}, false
	}
	version := strings.LastIndexByte(nevr[:release], '-')
	if version < 0 {
		return vexEntry{}, false
	}
	return vexEntry{product, nevr[:version], nevr[version+1:]}, true
}

// as returns the i-th record in the shape of d.
func (d vexDocument) as(i int) (id string, body []byte, ranges int, err error) {
	id = fmt.Sprintf("RHVEX-CVE-%d-%d", 2010+i%16, 900000+i)
	a := map[string]any{
		"id": id, "modified": "2026-01-02T03:04:05Z", "upstream": []string{id[len("RHVEX-"):]}, "summary": d.text,
	}
	var affected []any
	for _, e := range d.entries {
		events := []any{map[string]string{"introduced": "0"}}
		if e.fixed != "" {
			events = append(events, map[string]string{"fixed": e.fixed})
		}
		affected = append(affected, map[string]any{
			// Most products of Red Hat have a few hundred packages with many CVEs each.
			"package": map[string]string{"ecosystem": "Red Hat:" + e.product, "name": fmt.Sprintf("%s-g%d", e.name, i%200)},
			"ranges":  []any{map[string]any{"type": "ECOSYSTEM", "events": events}},
		})
	}
	a["affected"] = affected
	body, err = json.Marshal(a)
	return id, body, len(d.entries), err
}

// rewrite writes n records of an archive, from all of its parts, to another one, changed.
func rewrite(from, to string, n int) (err error) {
	in, err := zip.OpenReader(from)
	if err != nil {
		return err
	}
	defer in.Close()
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	out := zip.NewWriter(file)
	defer func() { err = errors.Join(err, out.Close(), file.Close()) }()
	if len(in.File) < n {
		return fmt.Errorf("%q has %d records, which is less than %d", from, len(in.File), n)
	}
	for i := range n {
		f := in.File[i*len(in.File)/n]
		r, err := f.Open()
		if err != nil {
			return err
		}
		body, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
		body = append(bytes.TrimSuffix(bytes.TrimSpace(body), []byte("}")), `,"x_changed":true}`...)
		w, err := out.Create(f.Name)
		if err != nil {
			return err
		}
		if _, err := w.Write(body); err != nil {
			return err
		}
	}
	return nil
}
