package java

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"assay/check/testkit"
)

// An archive has the same packages on its own and stored in another archive, and all of
// them are well formed.
func FuzzRead(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join(testkit.Path(f, "lang", "java"), "*", "*.?ar"))
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 4<<10 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := Read(bytes.NewReader(b), int64(len(b)), "a-1.jar")
		var want []string
		for _, p := range found {
			in, ok := strings.CutPrefix(p.EmbeddedIn, "a-1.jar")
			if !ok && p.EmbeddedIn != "" || p.Evidence[0].Path != "a-1.jar" {
				t.Fatalf("not in the archive: %+v", p)
			}
			group, artifact, ok := strings.Cut(p.Name, ":")
			if ok && !(coordinates{group, artifact, p.Version}).valid() || p.Type != jenkins && !isVersion(p.Version) {
				t.Fatalf("not well formed: %+v", p)
			}
			want = append(want, p.Name+" "+p.Version+" b.ear!/a-1.jar"+in)
		}
		if executable, err := ReadExecutable(bytes.NewReader(b), int64(len(b)), "a-1.jar"); err == nil && len(executable) > 0 && !reflect.DeepEqual(executable, found) {
			t.Fatalf("as an executable jar: %+v, want %+v", executable, found)
		}
		if err != nil {
			return // a bound may be reached earlier in another archive
		}
		slices.Sort(want)
		got, err := show(archive(t, member{"a-1.jar", string(b), zip.Store}), "b.ear")
		if !slices.Equal(got, want) && err == nil {
			t.Fatalf("nested: %q, at the top: %q", got, want)
		}
	})
}

// A manifest means the same however its lines are folded and ended.
func FuzzManifest(f *testing.F) {
	for _, text := range []string{
		"Manifest-Version: 1.0\r\nBundle-SymbolicName: com.google.src.yolo;singl\r\n eton:=true\r\n\r\nName: x\r\n",
		"Implementation-Title: a\nImplementation-Version: 1\rShort-Name:b",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return // written as \xNN it may be too long to be read again
		}
		want, err := readManifest(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		again := fmt.Sprintf("implementation-title: %s\nImplementation-Version: %s\nBUNDLE-SYMBOLICNAME: %s\nBundle-Version: %s\n"+
			"Automatic-Module-Name: %s\nGroup-Id: %s\nShort-Name: %s\nPlugin-Version: %s\n\nShort-Name: other\n",
			want.title, want.version, want.bundle, want.bundleVersion, want.module, want.pluginGroup, want.plugin, want.pluginVersion)
		for _, end := range []string{"\n", "\r", "\r\n"} {
			var folded strings.Builder
			for line := range strings.Lines(again) {
				line = strings.TrimSuffix(line, "\n")
				for len(line) > 72 {
					folded.WriteString(line[:72] + end + " ")
					line = line[72:]
				}
				folded.WriteString(line + end)
			}
			if got, err := readManifest(strings.NewReader(folded.String())); got != want || err != nil {
				t.Fatalf("%q gives %+v, %v; want %+v", folded.String(), got, err, want)
			}
		}
	})
}

// Properties that are written with every special character escaped are read back
// unchanged.
func FuzzProperties(f *testing.F) {
	f.Add("#Created by Apache Maven 3.6.0\r\nversion=3.4.6\r\ngroupId=org.opensaml\r\nartifactId=opensaml-core\r\n")
	f.Add("groupId : a\\\n  b\nartifactId\\u003d=c\n!x\\\nversion 1\\:2")
	f.Fuzz(func(t *testing.T, text string) {
		want, err := readProperties(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		escape := func(s string) string {
			var b strings.Builder
			for i := range len(s) {
				if strings.IndexByte("\\ \t\f\r\n=:#!", s[i]) >= 0 {
					fmt.Fprintf(&b, `\u%04x`, s[i])
				} else {
					b.WriteByte(s[i])
				}
			}
			return b.String()
		}
		again := "groupId=" + escape(want.group) + "\nversion: " + escape(want.version) + "\nartifactId " + escape(want.artifact)
		if got, err := readProperties(strings.NewReader(again)); got != want || err != nil {
			t.Fatalf("%q gives %+v, %v; want %+v", again, got, err, want)
		}
	})
}
