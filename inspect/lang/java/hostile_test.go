package java

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// pom returns a pom.properties.
func pom(group, artifact, version string) string {
	return "groupId=" + group + "\nartifactId=" + artifact + "\nversion=" + version + "\n"
}

// Exceeding a bound gives an error that names the bound, and what was found before is
// kept.
func TestBounds(t *testing.T) {
	first := member{"META-INF/maven/g/a/pom.properties", pom("g", "a", "1"), zip.Deflate}
	deflated := func(n int64) string {
		var buf bytes.Buffer
		w := zip.NewWriter(&buf)
		f, err := w.Create("zeros.class")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(f, zeros{}, n); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.String()
	}
	many := []member{first}
	for i := range maxPackages + 1 {
		many = append(many, member{fmt.Sprintf("META-INF/maven/g/a%d/pom.properties", i), pom("g", fmt.Sprintf("a%d", i), "1"), zip.Store})
	}
	deep := string(archive(t, first))
	for range maxDepth + 1 {
		deep = string(archive(t, first, member{"x.jar", deep, zip.Deflate}))
	}
	for _, c := range []struct {
		what     string
		b        []byte
		packages int
		err      string
	}{
		{"a bomb that nobody reads", archive(t, first, member{"a.class", strings.Repeat("\x00", 1<<20), zip.Deflate}), 1, ""},
		{"a bomb in a nested archive", archive(t, first, member{"x.jar", deflated(68 << 20), zip.Deflate}), 1,
			`x.jar: entry "zeros.class": archive is too expensive to read`},
		{"a bomb that is a nested archive", archive(t, first, member{"x.jar", strings.Repeat("\x00", 1<<20), zip.Deflate}), 1,
			"x.jar: not a zip archive"},
		{"a bomb of properties", archive(t, first, member{"META-INF/maven/g/b/pom.properties", strings.Repeat("\n", 1<<20), zip.Deflate}), 1,
			`entry "META-INF/maven/g/b/pom.properties": larger than the limit`},
		{"a bomb of a manifest", archive(t, first, member{manifestName, strings.Repeat("a: b\n", 1<<20), zip.Deflate}), 1,
			`entry "META-INF/MANIFEST.MF": larger than the limit`},
		{"many packages", archive(t, many...), maxPackages, "more than 10000 packages"},
		{"deep nesting", []byte(deep), maxDepth + 1, "archives nested more than 8 deep"},
		{"a long name", archive(t, first, member{strings.Repeat("n/", 1<<10) + "x.jar", deep, zip.Store}), 1,
			"path of a nested archive has 2055 bytes"},
		{"no name", archive(t, first, member{".jar", "x", zip.Store}), 1, ".jar: not a zip archive"},
	} {
		got, err := show(c.b, "a.jar")
		if len(got) != c.packages || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %d packages, %v; want %d and %q", c.what, len(got), err, c.packages, c.err)
		}
	}
}

// zeros is endless content.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Invalid names and versions do not get into an inventory.
func TestNames(t *testing.T) {
	for text, want := range map[string]string{
		pom("g", "a", "1"):                                          "g:a 1",
		pom("g", "a", "${project.version}"):                         "",
		pom("", "a", "1"):                                           "",
		pom("g", "../a", "1"):                                       "",
		pom("g", "a:b", "1"):                                        "",
		pom("g", "a", "1 2"):                                        "",
		pom("g", "a", "1\x1b[31m"):                                  "",
		pom("g", "a", strings.Repeat("1", 257)):                     "",
		"groupId : g\r\n artifactId\ta\r\nversion=1\\\r\n  .2\r\n":  "g:a 1.2",
		"#groupId=x\\\ngroupId=g\n!\nartifactId=\\u0061\nversion=1": "g:a 1",
	} {
		got, err := show(archive(t, member{"META-INF/maven/pom.properties", text, zip.Deflate}), "x.jar")
		if strings.Join(got, ",") != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for name, want := range map[string]string{
		"caf\xe9-1.0.jar":   `caf\xe9 1.0`,
		"a:b-1.0.jar":       "a-b 1.0", // no group
		"dir.jar/a-1.0.jar": "a 1.0",
		"-1.0.jar":          "",
		"a-1.0\x1b[31m.jar": "",
	} {
		if got, err := show(archive(t), name); strings.Join(got, ",") != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", name, got, err, want)
		}
	}
}
