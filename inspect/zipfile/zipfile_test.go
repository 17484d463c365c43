package zipfile

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
)

// archives returns the files of the test data and of this machine's Java and Python
// with one of the extensions exts.
func archives(t *testing.T, exts ...string) []string {
	var paths []string
	for _, dir := range []string{
		testkit.Path(t, "lang", "java"), "/usr/share/java", "/usr/share/python-wheels", "/usr/lib/jvm",
	} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && slices.Contains(exts, filepath.Ext(path)) {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return paths
}

// A source is an archive in one of its two forms.
type source interface {
	Entries() iter.Seq2[Entry, error]
	Open(Entry, int64) (io.Reader, error)
}

// members reads all entries with their content.
func members(a source) ([]member, error) {
	list := []member{}
	for e, err := range a.Entries() {
		if err != nil {
			return list, err
		}
		r, err := a.Open(e, 1<<30)
		if err != nil {
			return list, err
		}
		sum := crc32.NewIEEE()
		n, err := io.Copy(sum, r)
		if err != nil {
			return list, err
		}
		list = append(list, member{hex.EncodeToString([]byte(e.Name)), n, sum.Sum32()})
	}
	return list, nil
}

// member is an entry as Python prints it.
type member struct {
	Name string // hex
	Size int64
	CRC  uint32
}

// pythonList prints one line per archive: its content, or null.
const pythonList = `
import json, sys, zipfile
for path in sys.stdin.read().splitlines():
    try:
        with zipfile.ZipFile(path) as z:
            print(json.dumps([{
                "Name": i.orig_filename.encode("utf-8" if i.flag_bits & 0x800 else "cp437").hex(),
                "Size": i.file_size, "CRC": i.CRC} for i in z.infolist()]))
    except zipfile.BadZipFile:
        print("null")
`

// Real archives have the entries that Python finds. Small contents have the checksums
// that Python reports, read by the directory and as a stream.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		testkit.Missing(t, "python3: %v", err)
	}
	paths := archives(t, ".jar", ".war", ".par", ".whl")
	cmd := exec.CommandContext(t.Context(), python, "-c", pythonList)
	cmd.Stdin = strings.NewReader(strings.Join(paths, "\n"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lists := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if len(lists) != len(paths) {
		t.Fatalf("%d archives, %d lists", len(paths), len(lists))
	}
	if len(paths) < 50 {
		testkit.Missing(t, "archives of Java: there are %d (apt-get install libmaven3-core-java)", len(paths))
	}
	entries := 0
	for i, path := range paths {
		var want []member
		if err := json.Unmarshal(lists[i], &want); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		a, err := Open(f, info.Size(), BudgetFor(info.Size()))
		if (err != nil) != (want == nil) {
			t.Errorf("%s: %v, Python reads %d entries", path, err, len(want))
			continue
		}
		if err != nil {
			continue
		}
		entries += len(want)
		if info.Size() > 256<<10 { // only the names
			var listed []string
			for _, m := range want {
				listed = append(listed, m.Name)
			}
			got, err := names(a)
			for i := range got {
				got[i] = hex.EncodeToString([]byte(got[i]))
			}
			if err != nil || !slices.Equal(got, listed) {
				t.Errorf("%s: %d entries, %v; Python reads %d", path, len(got), err, len(want))
			}
			continue
		}
		if got, err := members(a); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %d entries, %v; Python reads %d", path, len(got), err, len(want))
		}
		if got, err := members(NewStream(f, BudgetFor(info.Size()))); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s as a stream: %d entries, %v; Python reads %d", path, len(got), err, len(want))
		}
	}
	t.Logf("%d archives with %d entries", len(paths), entries)
}
