package rust

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/elf"
	"assay/inspect/inventory"
)

// records are the lists that cargo-auditable stored in two programs.
var records = []string{"uses_serde_json", "test.elf"}

// TestRead puts genuine lists into a program, where cargo-auditable puts them.
func TestRead(t *testing.T) {
	for _, record := range records {
		t.Run(record, func(t *testing.T) {
			dir := testkit.Path(t, "lang", "rust-audit", record)
			b := program(t, filepath.Join(dir, "dep-v0.zlib"))
			f, err := elf.Open(bytes.NewReader(b), int64(len(b)), Section)
			if err != nil {
				t.Fatal(err)
			}
			found, err := Read(f, "bin/app")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range found {
				got = append(got, p.Name+" "+p.Version)
				if p.Type != "cargo" || p.Evidence[0] != (inventory.Evidence{Path: "bin/app", Kind: Kind}) || p.EmbeddedIn != "bin/app" {
					t.Errorf("%+v", p)
				}
			}
			text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
			if err != nil {
				t.Fatal(err)
			}
			var list []struct{ Name, Version, Kind string }
			if err := json.Unmarshal(text, &list); err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, c := range list {
				if c.Kind == "runtime" {
					want = append(want, c.Name+" "+c.Version)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) || len(want) < 2 {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// program returns a program of this machine with the list in file.
func program(t *testing.T, file string) []byte {
	t.Helper()
	objcopy, err := exec.LookPath("objcopy")
	if err != nil {
		testkit.Missing(t, "objcopy: apt-get install binutils")
	}
	out := filepath.Join(t.TempDir(), "app")
	cmd := exec.Command(objcopy, "--add-section", Section+"="+file, "/bin/true", out)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWithout(t *testing.T) {
	b, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(bytes.NewReader(b), int64(len(b)), Section)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := Read(f, "bin/true"); len(found) != 0 || err != nil {
		t.Errorf("got %+v, %v", found, err)
	}
}

func TestHostile(t *testing.T) {
	list := func(entry string, n int) string {
		return `{"packages":[` + strings.Repeat(entry+",", n-1) + entry + `]}`
	}
	ok := `{"name":"a","version":"1.0.0","source":"crates.io"}`
	tests := map[string]struct {
		packed []byte
		err    string
		found  int
	}{
		"not packed":      {[]byte(list(ok, 1)), "invalid header", 0},
		"cut":             {pack(list(ok, 100))[:40], "unexpected EOF", 0},
		"bomb":            {pack(list(ok, 1<<20)), "more than 1048576 bytes", 0},
		"not a list":      {pack(`{"packages":{}}`), "cannot unmarshal", 0},
		"no name":         {pack(`{"packages":[` + ok + `,{"version":"2"}]}`), "without name", 1},
		"only to build":   {pack(`{"packages":[` + ok + `,{"name":"b","version":"2","kind":"build"}]}`), "", 1},
		"nothing at all":  {pack(`{}`), "", 0},
		"more than meant": {pack(list(`{}`, 1<<17)), "more than 65536 crates", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			found, err := readList(test.packed, "app")
			if len(found) != test.found {
				t.Errorf("got %d packages, want %d", len(found), test.found)
			}
			switch {
			case test.err == "" && err != nil:
				t.Errorf("got error %v", err)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Errorf("got error %v, want one with %q", err, test.err)
			}
		})
	}
}

func pack(text string) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.Bytes()
}

func FuzzReadList(f *testing.F) {
	for _, record := range records {
		b, err := os.ReadFile(filepath.Join(testkit.Path(f, "lang", "rust-audit", record), "dep-v0.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, text string) {
		found, err := readList(pack(text), "app")
		for _, p := range found {
			if p.Name == "" || p.Version == "" {
				t.Errorf("package without a name or version: %+v", p)
			}
		}
		if err == nil && !json.Valid([]byte(text)) {
			t.Errorf("no error for %q, which is not JSON", text)
		}
	})
}
