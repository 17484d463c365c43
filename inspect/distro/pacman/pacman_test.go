package pacman

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
)

// TestGenuine reads descriptions that others published.
func TestGenuine(t *testing.T) {
	root := testkit.Path(t, "pkgdb", "pacman", "syft")
	for _, tt := range []struct {
		dir, name, version, arch, base, fails string
	}{
		{"gmp-6.2.1-2", "gmp", "6.2.1-2", "x86_64", "gmp", ""},
		{"emacs-29.3-3", "emacs", "29.3-3", "x86_64", "emacs", ""},
		{"tree-sitter-0.22.6-1", "tree-sitter", "0.22.6-1", "x86_64", "tree-sitter", ""},
		{"fuzzy-1.2-3", "fuzzy", "1.2-3", "", "", ""},
		{"madeup-20.30-4", "madeup", "20.30-4", "", "", ""},
		{"corrupt-0.2.1-3", "", "", "", "", "no name or version"},
	} {
		t.Run(tt.dir, func(t *testing.T) {
			path := database + tt.dir + "/desc"
			if !Wants(path) {
				t.Errorf("Wants(%q) is false", path)
			}
			f, err := os.Open(filepath.Join(root, path))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			found, err := Read(f, path)
			if tt.fails != "" {
				if err == nil || err.Error() != tt.fails || len(found) > 0 {
					t.Errorf("%v, %v", found, err)
				}
				return
			}
			if err != nil || len(found) != 1 {
				t.Fatalf("%v, %v", found, err)
			}
			p := found[0]
			if p.Type != "alpm" || p.Name != tt.name || p.Version != tt.version || p.Arch != tt.arch || p.Source != tt.base {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestRead(t *testing.T) {
	for name, tt := range map[string]struct{ dir, text, fails string }{
		"folder of another version": {"a-1-2", "%NAME%\na\n\n%VERSION%\n1-1\n", `it describes "a" in version "1-1"`},
		"no version":                {"a-1-1", "%NAME%\na\n\n%VERSION%\n\n", "no name or version"},
		"a space":                   {"a b-1", "%NAME%\na b\n\n%VERSION%\n1\n", "invalid name"},
		"empty":                     {"a-1", "", "no name or version"},
		"a value like a field":      {"a-1", "%DESC%\n%NAME%\n\n%NAME%\na\n\n%VERSION%\n1\n", ""},
		"the first value counts":    {"a-1", "%NAME%\na\nb\n\n%VERSION%\n1\n\n%NAME%\nc\n", ""},
		"a long line":               {"a-1", "%NAME%\n" + strings.Repeat("a", Limit+1), "token too long"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := Read(strings.NewReader(tt.text), database+tt.dir+"/desc")
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("%v, %v", found, err)
				}
				return
			}
			if err != nil || len(found) != 1 || found[0].Name != "a" || found[0].Version != "1" {
				t.Errorf("%+v, %v", found, err)
			}
		})
	}
}

func TestWants(t *testing.T) {
	for path, want := range map[string]bool{
		"var/lib/pacman/local/a-1-1/desc":     true,
		"var/lib/pacman/local/desc":           false,
		"var/lib/pacman/local/a-1-1/x/desc":   false,
		"var/lib/pacman/local/a-1-1/files":    false,
		"srv/var/lib/pacman/local/a-1-1/desc": false,
	} {
		if got := Wants(path); got != want {
			t.Errorf("Wants(%q) = %t", path, got)
		}
	}
}

func compressed(t testing.TB, text string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// TestMtreeLimit: a list that is too large is an error, and not a shorter list.
func TestMtreeLimit(t *testing.T) {
	const text = "./a type=dir\n./b type=dir\n"
	for limit, fails := range map[int64]bool{int64(len(text)): false, int64(len(text)) - 1: true, 1: true} {
		err := readMtree(compressed(t, text), limit, func([]byte, [sha256.Size]byte) {})
		if (err != nil) != fails || fails && !strings.Contains(err.Error(), "more than") {
			t.Errorf("limit %d of %d bytes: %v", limit, len(text), err)
		}
	}
}

func TestReadMtree(t *testing.T) {
	digest := strings.Repeat("0f", sha256.Size)
	for name, tt := range map[string]struct {
		text  string
		paths []string
		fails bool
	}{
		"files, folders and links": {"#mtree\n/set type=file uid=0\n./usr time=1.0 type=dir\n./usr/a time=1 size=1 sha256digest=" + digest + "\n./usr/b type=link link=a\n", []string{"usr/a"}, false},
		"escapes":                  {`./a\040b\134c\303\274 sha256digest=` + digest + "\n", []string{`a b\cü`}, false},
		"not escapes":              {`./a\0 sha256digest=` + digest + "\n./b\\999 sha256digest=" + digest, []string{`a\0`, `b\999`}, false},
		"a short digest":           {"./a sha256digest=0f\n", nil, true},
		"no digest":                {"./a sha256digest=" + strings.Repeat("x", 2*sha256.Size), nil, true},
		"a long line":              {"./" + strings.Repeat("a", maxLine), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			err := ReadMtree(compressed(t, tt.text), func(path []byte, sum [sha256.Size]byte) {
				if sum[0] != 0x0f {
					t.Errorf("sum %x", sum)
				}
				got = append(got, string(path))
			})
			if (err != nil) != tt.fails || !slices.Equal(got, tt.paths) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	if err := ReadMtree(strings.NewReader("plain"), nil); !errors.Is(err, gzip.ErrHeader) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}

func TestReadFiles(t *testing.T) {
	var got []string
	err := ReadFiles(strings.NewReader("%FILES%\nusr/\nusr/a b\nusr/c\n\n%BACKUP%\netc/x\tmd5\n"), func(path []byte) { got = append(got, string(path)) })
	if err != nil || !slices.Equal(got, []string{"usr/a b", "usr/c"}) {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("%NAME%\na\n\n%VERSION%\n1-1\n\n%ARCH%\nx86_64\n")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := Read(strings.NewReader(text), database+"a-1-1/desc")
		if err == nil && (len(found) != 1 || found[0].Name+"-"+found[0].Version != "a-1-1") {
			t.Errorf("%+v", found)
		}
		for _, p := range found {
			if inventory.Text(p.Vendor) != p.Vendor || inventory.Text(p.Arch) != p.Arch {
				t.Errorf("%+v", p)
			}
		}
	})
}

func FuzzReadMtree(f *testing.F) {
	f.Add("./usr/a\\040 sha256digest=" + strings.Repeat("0f", sha256.Size) + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		_ = ReadMtree(compressed(t, text), func(path []byte, _ [sha256.Size]byte) {
			if len(path) > maxLine {
				t.Errorf("a path of %d bytes", len(path))
			}
		})
		_ = ReadFiles(strings.NewReader(text), func(path []byte) {
			if len(path) == 0 {
				t.Error("an empty path")
			}
		})
	})
}
