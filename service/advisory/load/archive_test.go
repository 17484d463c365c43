package load

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/service/advisory"
	"assay/service/store"
)

// entry is one of an archive, with the size and the checksum that it claims.
type entry struct {
	name, body string
	size       uint64 // 0: the true one
	checksum   uint32 // 0: the true one
}

func archiveOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, e := range entries {
		var packed bytes.Buffer
		f, err := flate.NewWriter(&packed, flate.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, e.body); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, CompressedSize64: uint64(packed.Len()), UncompressedSize64: e.size, CRC32: e.checksum}
		if e.size == 0 {
			h.UncompressedSize64 = uint64(len(e.body))
		}
		if e.checksum == 0 {
			h.CRC32 = crc32.ChecksumIEEE([]byte(e.body))
		}
		w, err := z.CreateRaw(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := packed.WriteTo(w); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// readArchive reads an archive from memory.
func readArchive(b []byte, lim limits) (src *Source, ids []string, failed error) {
	src = &Source{path: "a.zip", limits: lim}
	walk := func(w *walker) error { return w.archive("a.zip", bytes.NewReader(b), int64(len(b))) }
	for r, err := range src.read(walk) {
		switch {
		case errors.Is(err, store.ErrRejected):
		case err != nil:
			failed = err
		default:
			ids = append(ids, r.ID)
		}
	}
	return src, ids, failed
}

func record(id string) string { return fmt.Sprintf(`{"id":%q,"modified":"2024-01-02T03:04:05Z"}`, id) }

func TestHostileArchives(t *testing.T) {
	good := entry{name: "good.json", body: record("GOOD")}
	bomb := record("BOMB") + strings.Repeat(" ", advisory.MaxSize)
	for _, tt := range []struct {
		name     string
		bad      entry
		rejected string
	}{
		{"bomb that says so", entry{name: "x.json", body: bomb}, "more than 16777216"},
		{"bomb that lies", entry{name: "x.json", body: bomb, size: 100}, "zip: "},
		{"claims 16 EiB", entry{name: "x.json", body: "{}", size: 1<<64 - 2}, "more than 16777216"},
		{"claims more than the whole budget", entry{name: "x.json", body: record("X"), size: 1000}, "unexpected EOF"},
		{"claims less than there is", entry{name: "x.json", body: record("X") + "    ", size: uint64(len(record("X")))}, "zip: "},
		{"wrong checksum", entry{name: "x.json", body: record("X"), checksum: 1}, "checksum error"},
		{"leads out of the folder", entry{name: "../../etc/x.json", body: "?"}, "not an OSV record"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src, ids, err := readArchive(archiveOf(t, tt.bad, good), defaultLimits())
			if err != nil || !slices.Equal(ids, []string{"GOOD"}) {
				t.Errorf("ids %q, %v", ids, err)
			}
			if got := src.Rejected(); len(got) != 1 || !strings.Contains(got[0].Error(), tt.rejected) {
				t.Errorf("rejected %v, want %q", got, tt.rejected)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	a := archiveOf(t, entry{name: "a.json", body: record("A-1")}, entry{name: "readme"}, entry{name: "b.json", body: record("A-2")})
	size := int64(len(record("A-1")))
	whole := limits{files: 3, bytes: 2 * size, directory: int64(len(a)) * 4}
	if _, ids, err := readArchive(a, whole); err != nil || len(ids) != 2 {
		t.Fatalf("within the limits: %q, %v", ids, err)
	}
	for name, change := range map[string]func(*limits){
		"too many files":                     func(l *limits) { l.files-- },
		"too many bytes":                     func(l *limits) { l.bytes-- },
		"the table of contents is too large": func(l *limits) { l.directory = 100 },
	} {
		lim := whole
		change(&lim)
		if _, _, err := readArchive(a, lim); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}

	dir := t.TempDir()
	for i := range 3 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i, ".json")), []byte(record("A")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	src := &Source{path: dir, limits: limits{files: 3, bytes: 1 << 20}} // the folder counts too
	var failed error
	for _, err := range src.Records() {
		failed = err
	}
	if failed == nil || !strings.Contains(failed.Error(), "too many files") || errors.Is(failed, store.ErrRejected) {
		t.Errorf("too many files in a folder: %v", failed)
	}
}

// The list of rejections is bounded, their number is not.
func TestManyRejections(t *testing.T) {
	entries := []entry{{name: "good.json", body: record("GOOD")}}
	for i := range maxListed + 5 {
		entries = append(entries, entry{name: fmt.Sprint(i, ".json"), body: "?"})
	}
	src, ids, err := readArchive(archiveOf(t, entries...), defaultLimits())
	if err != nil || len(ids) != 1 || src.Counts().Rejected != maxListed+5 || len(src.Rejected()) != maxListed {
		t.Errorf("%q, %v, %+v, %d listed", ids, err, src.Counts(), len(src.Rejected()))
	}
}

// Every record comes from an entry whose bytes archive/zip reads too, and every
// other entry is rejected.
func FuzzArchive(f *testing.F) {
	sample, err := os.ReadFile(testkit.Path(f, "osv", "CRAN", "all.zip"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add(archiveOf(f, entry{name: "a.json", body: record("A")}, entry{name: "b.json", body: "?"}, entry{name: "readme", body: record("B")}))
	f.Add(archiveOf(f, entry{name: "a.json", body: record("A"), size: 10}))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, b []byte) {
		src := &Source{path: "a.zip", limits: limits{files: 1000, bytes: 1 << 24, directory: 1 << 20}}
		walk := func(w *walker) error { return w.archive("a.zip", bytes.NewReader(b), int64(len(b))) }
		got := map[string]int{}
		bounded := false
		for r, err := range src.read(walk) {
			switch {
			case errors.Is(err, store.ErrRejected):
			case err != nil:
				bounded = strings.Contains(err.Error(), "too many")
			default:
				got[string(r.Body)]++
				if a, err := advisory.Parse(r.Body); err != nil || a.ID != r.ID {
					t.Errorf("record %q has the body of %q, %v", r.ID, a.ID, err)
				}
			}
		}
		c := src.Counts()
		if c.Files != c.Records+c.Rejected {
			t.Errorf("counts do not add up: %+v", c)
		}
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if len(got) != 0 || c.Rejected != 1 {
				t.Errorf("records of no archive: %v", got)
			}
			return
		}
		want := map[string]int{}
		for _, e := range z.File {
			if !strings.HasSuffix(e.Name, ".json") || e.UncompressedSize64 > 1<<24 {
				continue
			}
			r, err := e.Open()
			if err != nil {
				continue
			}
			body, err := io.ReadAll(io.LimitReader(r, 1<<24+1))
			r.Close()
			if _, bad := advisory.Parse(body); err == nil && bad == nil {
				want[string(body)]++
			}
		}
		if !bounded && !maps.Equal(got, want) {
			t.Errorf("records %v, want %v", got, want)
		}
	})
}
