package apk

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

type fileText struct{ pkg, path string }

func readFiles(t testing.TB, data []byte) (files []fileText, digests map[fileText]Digest) {
	t.Helper()
	digests = map[fileText]Digest{}
	err := ReadFiles(bytes.NewReader(data), func(f File) {
		text := fileText{f.Package, string(f.Path)}
		files = append(files, text)
		digests[text] = f.Digest
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, digests
}

// Contents with known digests: genuine files, and the kinds of digests of apk-tools 3.
func TestFileDigests(t *testing.T) {
	data, _ := database(t, "alpine-with-packages-final")
	for _, tt := range []struct {
		name          string
		data          []byte
		file          fileText
		content, none string
	}{
		{
			"SHA-1", data, fileText{"alpine-baselayout-data", "etc/shells"},
			"# valid login shells\n/bin/sh\n/bin/ash\n", "/bin/sh\n",
		},
		{
			"SHA-1 of a link", data, fileText{"alpine-baselayout-data", "etc/mtab"},
			"/proc/mounts", "../proc/mounts",
		},
		{"SHA-256, cut", []byte(synthetic), fileText{`lib\xe9`, "top"}, "foo", "bar"},
		{"SHA-256", []byte(synthetic), fileText{`lib\xe9`, "usr/lib/whole"}, "foo", "bar"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, digests := readFiles(t, tt.data)
			d, ok := digests[tt.file]
			if !ok || !d.Known() {
				t.Fatalf("no digest of %v", tt.file)
			}
			for content, want := range map[string]bool{tt.content: true, tt.none: false, "": false} {
				h := d.Hash()
				io.WriteString(h, content)
				if got := d.Equal(h.Sum(nil)); got != want {
					t.Errorf("digest of %q equal: %v, want %v", content, got, want)
				}
			}
			if d.Equal(nil) {
				t.Error("no sum equals the digest")
			}
		})
	}
}

func TestFileWithoutDigest(t *testing.T) {
	_, digests := readFiles(t, []byte(synthetic))
	d, ok := digests[fileText{`lib\xe9`, "usr/lib/none"}]
	if !ok || d.Known() || d.Equal(make([]byte, 32)) || d.Equal(nil) {
		t.Errorf("%v, %+v", ok, d)
	}
}

// Paths are joined here in another way: from every F and R line.
func TestFilePaths(t *testing.T) {
	data, _ := database(t, "alpine-with-packages-final")
	var want []fileText
	var pkg, dir string
	for line := range strings.Lines(string(data)) {
		value := strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "P:"):
			pkg = value[2:]
		case strings.HasPrefix(line, "F:"):
			dir = value[2:]
		case strings.HasPrefix(line, "R:"):
			want = append(want, fileText{pkg, strings.TrimPrefix(dir+"/"+value[2:], "/")})
		}
	}
	got, digests := readFiles(t, data)
	if len(got) != len(want) || len(got) < 400 {
		t.Fatalf("%d files, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("file %d: %v, want %v", i, got[i], want[i])
		}
		if d := digests[got[i]]; !d.Known() || d.sha256 {
			t.Errorf("%v: %+v", got[i], d)
		}
	}
}

// Of an invalid list of files, the files before the invalid line are returned, but not
// the file with the invalid digest.
func TestBrokenFiles(t *testing.T) {
	text := "P:a\nV:1\nF:d\nR:x\nR:y\nZ:Q1\nR:z\n\nF:e\nR:x\n\nP:b\nV:1\nF:\nR:w\n"
	var got []string
	err := ReadFiles(strings.NewReader(text), func(f File) { got = append(got, f.Package+":"+string(f.Path)) })
	if want := "line 6: invalid digest (Z), and 1 more invalid paragraphs"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
	if got, want := strings.Join(got, " "), "a:d/x b:w"; got != want {
		t.Errorf("files %q, want %q", got, want)
	}
}

// Memory does not grow with the database.
func TestReadFilesAllocs(t *testing.T) {
	allocs := func(files int) float64 {
		text := "P:a\nV:1\nF:usr/lib\n" + strings.Repeat("R:file\nZ:Q1kiljhXXH1LlQroHsEJIkPZg2eiw=\n", files) + "\n"
		return testing.AllocsPerRun(5, func() {
			n := 0
			if err := ReadFiles(strings.NewReader(text), func(File) { n++ }); err != nil || n != files {
				t.Errorf("%d files, %v", n, err)
			}
		})
	}
	if few, many := allocs(10), allocs(100_000); many > few {
		t.Errorf("%v allocations for 10 files, %v for 100,000", few, many)
	}
}
