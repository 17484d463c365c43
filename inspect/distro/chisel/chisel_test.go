package chisel

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"assay/check/testkit"
	"assay/inspect/inventory"

	"github.com/klauspost/compress/zstd"
)

const manifest = `{"jsonwall":"1.0","schema":"1.0","count":5}
{"kind":"content","slice":"libc6_libs","path":"/usr/lib/libc.so.6"}
{"kind":"package","name":"libc6","version":"2.39-0ubuntu8.4","sha256":"b2","arch":"amd64"}
{"kind":"path","path":"/usr/lib/libc.so.6","mode":"0644","slices":["libc6_libs"],"size":1}
{"kind":"slice","name":"libc6_libs"}
`

func compress(t testing.TB, text string, opts ...zstd.EOption) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll([]byte(text), nil)
}

func list(packages []inventory.Package) string {
	var all []string
	for _, p := range packages {
		all = append(all, p.Name+" "+p.Version+" "+p.Arch)
	}
	return strings.Join(all, "\n")
}

func TestReadManifest(t *testing.T) {
	const libc = "libc6 2.39-0ubuntu8.4 amd64"
	for _, c := range []struct{ name, text, want, err string }{
		{"whole", manifest, libc, ""},
		{"no last newline", strings.TrimSuffix(manifest, "\n"), libc, ""},
		{"unknown kinds and fields", strings.Replace(manifest, `"kind":"slice"`, `"x":1,"kind":"new"`, 1), libc, ""},
		{"other order of fields", strings.Replace(manifest, `"kind":"package","name":"libc6"`, `"name":"libc6","kind":"package"`, 1), libc, ""},

		{"empty", "", "", "empty"},
		{"no manifest", "x\n", "", "line 1: not a manifest"},
		{"no first line", manifest[strings.Index(manifest, "\n")+1:], "", `unsupported jsonwall version ""`},
		{"another version", strings.Replace(manifest, `"1.0"`, `"2.0"`, 1), "", `unsupported jsonwall version "2.0"`},
		{"fewer lines", manifest[:strings.LastIndex(manifest, `{"kind"`)], libc, "4 lines, but the first line says 5"},
		{"more lines", manifest + manifest[strings.LastIndex(manifest, `{"kind"`):], libc, "6 lines, but the first line says 5"},
		{"broken lines", strings.ReplaceAll(manifest, `{"kind":"content"`, `{"kind"`) + "x\n", libc, "line 2: invalid JSON, and 1 more"},
		{"no version", strings.Replace(manifest, "2.39-0ubuntu8.4", "", 1), "", `line 3: invalid package "libc6" ""`},
		{"space in a name", strings.Replace(manifest, `"libc6"`, `"lib c6"`, 1), "", "line 3: invalid package"},
		{"a long line", manifest + strings.Repeat("x", maxLine+1), libc, "line 6: bufio.Scanner: token too long"},
		{"a large text", manifest + strings.Repeat(strings.Repeat(" ", maxLine-2)+"\n", maxText/maxLine+2), libc, "after decompression"},
	} {
		packages, err := ReadManifest(iotest.OneByteReader(bytes.NewReader(compress(t, c.text))), "p")
		if list(packages) != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %q, %v; want %q, %q", c.name, list(packages), err, c.want, c.err)
		}
		for _, p := range packages {
			if p.Type != "deb" || p.Source != "" || p.SourceVersion != "" || len(p.Evidence) != 1 || p.Evidence[0] != (inventory.Evidence{Path: "p", Kind: Kind}) {
				t.Errorf("%s: %+v", c.name, p)
			}
		}
	}
}

// A damaged or cut manifest, or one that needs too much memory, is an error. Packages
// are never missing without one.
func TestDamaged(t *testing.T) {
	whole := compress(t, manifest)
	for n := range whole {
		if packages, err := ReadManifest(bytes.NewReader(whole[:n]), "p"); err == nil {
			t.Errorf("cut at %d: %q without an error", n, list(packages))
		}
		flipped := bytes.Clone(whole)
		flipped[n] ^= 0x10
		if packages, err := ReadManifest(bytes.NewReader(flipped), "p"); err == nil && len(packages) != 1 {
			t.Errorf("byte %d: %q without an error", n, list(packages))
		}
	}
	var large bytes.Buffer
	w, err := zstd.NewWriter(&large, zstd.WithWindowSize(2*maxWindow))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, strings.Repeat(" ", 3*maxWindow)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadManifest(&large, "p"); err == nil || !strings.Contains(err.Error(), "window size") {
		t.Errorf("a large window: %v", err)
	}
}

// The manifest of a rock.
func TestManifestOfImage(t *testing.T) {
	f, err := os.Open(testkit.Path(t, "faults", "inventory", "chisel-rock", ManifestFiles()[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := ReadManifest(f, "m")
	want := "base-files 13ubuntu10.2 amd64\nlibc6 2.39-0ubuntu8.4 amd64\nlibssl3t64 3.0.13-0ubuntu3.5 amd64\nopenssl 3.0.13-0ubuntu3.5 amd64"
	if err != nil || list(got) != want {
		t.Errorf("%s\n%v", list(got), err)
	}
}

func FuzzReadManifest(f *testing.F) {
	f.Add(compress(f, manifest))
	f.Add(compress(f, "", zstd.WithEncoderCRC(false)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := ReadManifest(bytes.NewReader(data), "m"); err == nil && len(data) == 0 {
			t.Error("no manifest and no error")
		}
	})
}

func FuzzReadText(f *testing.F) {
	f.Add(manifest)
	f.Add(`{"jsonwall":"1"}` + "\n" + `{"kind":"package"}`)
	f.Fuzz(func(t *testing.T, text string) {
		packages, _ := readText(strings.NewReader(text), "m")
		if len(packages) > strings.Count(text, "\n") {
			t.Errorf("%d packages", len(packages))
		}
		for _, p := range packages {
			if p.Name == "" || p.Version == "" || !utf8.ValidString(p.Name+p.Version+p.Arch) {
				t.Errorf("%+v", p)
			}
		}
	})
}
