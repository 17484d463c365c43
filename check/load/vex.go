package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// A vexMirror is a copy of Red Hat's VEX documents of the size of the genuine one: an
// archive, and changed documents.
type vexMirror struct {
	Documents, Pairs int // a pair is a package of a product with a status
	Bytes, Archive   int64
	Genuine          int // documents that the others are made from
	Changed          int // documents
}

func (m vexMirror) String() string {
	return fmt.Sprintf("%d documents with %d pairs of product and package, %d MB, an archive of %d MB; made from %d genuine documents; %d changed documents",
		m.Documents, m.Pairs, m.Bytes/1e6, m.Archive/1e6, m.Genuine, m.Changed)
}

// Files of the mirror, below documents for those of the publisher.
const (
	vexDay        = "2026-11-01" // of the archive
	vexDocuments  = "csaf/v2/vex"
	vexArchive    = "csaf_vex_" + vexDay + ".tar.zst"
	vexRepository = `{"data":{"rhel-9-for-x86_64-baseos-rpms":{"cpes":["cpe:/o:redhat:enterprise_linux:9::baseos"]}}}`
)

// variants is how many sets of package names a genuine document is copied with. A copy's
// set is drawn from a Zipf distribution, because a few packages have most of the CVEs.
const variants = 200

// makeVEX returns the mirror in dir. It generates the mirror if dir has none.
//
// A document is a genuine one with another CVE and other package names. Products,
// versions, architectures, statuses and texts are the same. Small documents are more
// frequent than large ones, by the power of their size that gives the wanted mean.
func makeVEX(testdata, dir string, documents, pairs, changed int) (m vexMirror, err error) {
	about := filepath.Join(dir, "mirror.json")
	if b, err := os.ReadFile(about); err == nil {
		return m, json.Unmarshal(b, &m)
	}
	templates, err := readTemplates(filepath.Join(testdata, "feeds/redhat-csaf-vex"))
	if err != nil {
		return m, err
	}
	draw, err := newDraw(templates, float64(pairs)/float64(documents))
	if err != nil {
		return m, err
	}
	if err := os.MkdirAll(filepath.Join(dir, vexDocuments), 0o700); err != nil {
		return m, err
	}
	m.Documents, m.Genuine, m.Changed = documents, len(templates), changed
	if err := m.write(dir, draw, changed); err != nil {
		return m, err
	}
	b, err := json.Marshal(m)
	if err != nil {
		return m, err
	}
	return m, os.WriteFile(about, b, 0o600)
}

// write writes the files of the mirror.
func (m *vexMirror) write(dir string, draw *draw, changed int) (err error) {
	file, err := os.Create(filepath.Join(dir, vexDocuments, vexArchive))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	z, err := zstd.NewWriter(file, zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	var lines bytes.Buffer
	modified := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	for i := range m.Documents {
		name, body, pairs := draw.document(i)
		m.Pairs += pairs
		m.Bytes += int64(len(body))
		if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body)), ModTime: modified}); err != nil {
			return err
		}
		if _, err := t.Write(body); err != nil {
			return err
		}
		if every := max(m.Documents/max(changed, 1), 1); i%every != 0 || i/every >= changed {
			continue
		}
		at := modified.Add(time.Duration(i) * time.Second).Format(time.RFC3339)
		fmt.Fprintf(&lines, "%q,%q\n", name, at)
		body = bytes.Replace(body, []byte(`"current_release_date": "`), []byte(`"current_release_date": "2026-11-02T00:00:00Z", "previous": "`), 1)
		path := filepath.Join(dir, vexDocuments, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, body, 0o600)); err != nil {
			return err
		}
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	m.Archive = info.Size()
	for name, text := range map[string]string{
		vexDocuments + "/archive_latest.txt": vexArchive, vexDocuments + "/changes.later": lines.String(),
		vexDocuments + "/deletions.csv": "", "metrics/repository-to-cpe.json": vexRepository,
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			return err
		}
	}
	return nil
}

// list lists the changed documents of the mirror in dir, or only one that changed before
// the archive was made.
func (vexMirror) list(dir string, changed bool) error {
	b := []byte("\"2002/cve-2002-100000.json\",\"2026-01-02T03:04:05+00:00\"\n")
	if changed {
		var err error
		if b, err = os.ReadFile(filepath.Join(dir, vexDocuments, "changes.later")); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, vexDocuments, "changes.csv"), b, 0o600)
}

// A draw chooses the template of each document.
type draw struct {
	templates []template
	sums      []float64 // of the probabilities
	random    *rand.Rand
	zipf      *rand.Zipf
}

// newDraw returns a draw with a mean number of pairs.
func newDraw(templates []template, mean float64) (*draw, error) {
	// The probability of a document with n pairs is n to the power of -a. The mean falls
	// while a grows.
	weigh := func(a float64) (sums []float64, mean float64) {
		sum, all := 0.0, 0.0
		for _, t := range templates {
			w := math.Pow(float64(t.pairs), -a)
			sum += w
			all += w * float64(t.pairs)
			sums = append(sums, sum)
		}
		for i := range sums {
			sums[i] /= sum
		}
		return sums, all / sum
	}
	low, high := -4.0, 4.0
	for range 60 {
		if _, got := weigh((low + high) / 2); got > mean {
			low = (low + high) / 2
		} else {
			high = (low + high) / 2
		}
	}
	sums, got := weigh(high)
	if math.Abs(got-mean) > mean/10 {
		return nil, fmt.Errorf("the documents cannot have %.0f pairs on average", mean)
	}
	random := rand.New(rand.NewPCG(3, 4))
	return &draw{templates, sums, random, rand.NewZipf(random, 1.1, 1, variants-1)}, nil
}

// document returns the i-th document and its number of pairs.
func (d *draw) document(i int) (name string, body []byte, pairs int) {
	at, _ := slices.BinarySearch(d.sums, d.random.Float64())
	t := d.templates[min(at, len(d.templates)-1)]
	year, number := 2002+i%25, 100_000+i
	return fmt.Sprintf("%d/cve-%d-%d.json", year, year, number),
		t.as(fmt.Sprintf("%d-%d", year, number), int(d.zipf.Uint64())), t.pairs
}

// A template is a genuine document, cut where the copies differ from it.
type template struct {
	pieces []piece
	pairs  int
}

// A piece is a part of the text, and what follows it in a copy.
type piece struct {
	text []byte
	then byte // 'c' for a CVE's year and number, 'n' for the end of a package's name, or 0
}

// as returns the copy with another CVE ("2024-1234") and set of package names.
func (t template) as(cve string, variant int) []byte {
	suffix := ""
	if variant > 0 {
		suffix = "-g" + strconv.Itoa(variant)
	}
	var b []byte
	for _, p := range t.pieces {
		b = append(b, p.text...)
		switch p.then {
		case 'c':
			b = append(b, cve...)
		case 'n':
			b = append(b, suffix...)
		}
	}
	return b
}

// minPairs is more than the pairs of the documents that are made up for tests.
const minPairs = 5

// readTemplates reads the genuine documents, each once.
func readTemplates(dir string) (all []template, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	for _, name := range names {
		documents, err := readVEX(name)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		for _, b := range documents {
			t, cve, err := newTemplate(b)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", name, err)
			}
			if key := fmt.Sprint(cve, t.pairs); t.pairs >= minPairs && !seen[key] {
				seen[key] = true
				all = append(all, t)
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no documents in %q", dir)
	}
	return all, nil
}

// readVEX returns the documents of a file: JSON, lines of JSON, or an archive.
func readVEX(name string) (documents []json.RawMessage, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var r io.Reader = bytes.NewReader(b)
	switch filepath.Ext(name) {
	case ".zst":
		return readVEXArchive(r)
	case ".gz":
		if r, err = gzip.NewReader(r); err != nil {
			return nil, err
		}
	}
	for dec := json.NewDecoder(r); ; {
		var text json.RawMessage
		if err := dec.Decode(&text); errors.Is(err, io.EOF) {
			return documents, nil
		} else if err != nil {
			return nil, err
		}
		documents = append(documents, text)
	}
}

func readVEXArchive(r io.Reader) (documents []json.RawMessage, err error) {
	z, err := zstd.NewReader(r)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	for t := tar.NewReader(z); ; {
		if _, err := t.Next(); errors.Is(err, io.EOF) {
			return documents, nil
		} else if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(t)
		if err != nil {
			return nil, err
		}
		if len(b) > 0 {
			documents = append(documents, b)
		}
	}
}

// newTemplate cuts a document. It indents the text as the publisher does.
func newTemplate(b []byte) (t template, cve string, err error) {
	var doc struct {
		Document struct {
			Tracking struct {
				ID string `json:"id"`
			} `json:"tracking"`
		} `json:"document"`
		Tree struct {
			Relationships []struct {
				Part string `json:"product_reference"`
			} `json:"relationships"`
		} `json:"product_tree"`
		Vulnerabilities []struct {
			Status map[string][]string `json:"product_status"`
		} `json:"vulnerabilities"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return t, "", err
	}
	for _, v := range doc.Vulnerabilities {
		for _, list := range v.Status {
			t.pairs += len(list)
		}
	}
	cve = doc.Document.Tracking.ID
	var indented bytes.Buffer
	if err := json.Indent(&indented, b, "", "  "); err != nil {
		return t, "", err
	}
	names := make(map[string]bool)
	for _, r := range doc.Tree.Relationships {
		if name := strings.TrimSuffix(r.Part, ".src"); !strings.ContainsAny(name, ":@/ ") {
			names[name] = true
		}
	}
	const purl = "pkg:rpm/redhat/"
	for rest := indented.Bytes(); ; {
		at := bytes.Index(rest, []byte(purl))
		if at < 0 {
			break
		}
		rest = rest[at+len(purl):]
		names[string(rest[:bytes.IndexAny(rest, `@?"`)])] = true
	}
	t.pieces = cut(indented.Bytes(), strings.TrimPrefix(cve, "CVE-"), names)
	return t, cve, nil
}

// cut cuts a text after the prefix of a CVE, and after the names of packages in its strings.
func cut(text []byte, cve string, names map[string]bool) (pieces []piece) {
	start := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case cve != "" && c == '-' && bytes.HasPrefix(text[i+1:], []byte(cve)) && bytes.HasSuffix(bytes.ToLower(text[max(0, i-3):i]), []byte("cve")):
			pieces = append(pieces, piece{text[start : i+1], 'c'})
			i += len(cve)
			start = i + 1
		case c == '"' || c == ':' || c == '/' || c == ' ':
			if n := nameAt(text[i+1:], names); n > 0 {
				pieces = append(pieces, piece{text[start : i+1+n], 'n'})
				i += n
				start = i + 1
			}
		}
	}
	return append(pieces, piece{text[start:], 0})
}

// nameAt returns the length of the name of a package that a text begins with, or 0. A
// version, an architecture or the end of the string follows it.
func nameAt(text []byte, names map[string]bool) int {
	for n := range min(len(text)-2, 100) {
		switch c := text[n]; {
		case c == '"' && text[n+1] != ':' || c == '@' || c == '?' || c == ' ' ||
			c == '.' && bytes.HasPrefix(text[n:], []byte(".src")) || c == '-' && '0' <= text[n+1] && text[n+1] <= '9':
			if names[string(text[:n])] {
				return n
			}
			if c == '"' || c == ' ' {
				return 0
			}
		case c == '"' || c == '\n' || c == '\\':
			return 0
		}
	}
	return 0
}
