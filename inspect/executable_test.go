package inspect

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/check/testkit"
)

// application makes an executable jar with a library. The jar is larger than the
// minimum size of a program.
func application(t *testing.T, manifest bool) string {
	t.Helper()
	add := func(w *zip.Writer, name, content string) {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = io.WriteString(f, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var library, all bytes.Buffer
	inner, outer := zip.NewWriter(&library), zip.NewWriter(&all)
	add(inner, "META-INF/maven/org.yaml/snakeyaml/pom.properties", "groupId=org.yaml\nartifactId=snakeyaml\nversion=1.33\n")
	if err := inner.Close(); err != nil {
		t.Fatal(err)
	}
	if manifest {
		add(outer, "META-INF/MANIFEST.MF", "Manifest-Version: 1.0\nMain-Class: org.springframework.boot.loader.JarLauncher\n")
	}
	add(outer, "BOOT-INF/lib/snakeyaml-1.33.jar", library.String())
	add(outer, "padding", strings.Repeat("x", 8<<10))
	if err := outer.Close(); err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// jarOf makes a jar with one file.
func jarOf(t *testing.T, name, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(name)
	if err == nil {
		_, err = io.WriteString(f, content)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// An executable jar needs no extension and may have a script in front. Scripts,
// archives of other kinds and files that are not executable have no packages.
func TestExecutableJar(t *testing.T) {
	const script = "#!/bin/bash\nexec java -jar \"$0\" \"$@\"\nexit 0\n"
	const found = "maven org.yaml:snakeyaml 1.33"
	jar, other := application(t, true), application(t, false)
	for name, c := range map[string]struct {
		path, content string
		mode          os.FileMode
		want          string
	}{
		"script before":         {"app/service", script + jar, 0o755, found},
		"another ending":        {"app/service.run", script + jar, 0o755, found},
		"ending of a script":    {"app/service.sh", script + jar, 0o755, found},
		"version in its name":   {"app/service-1.0", script + jar, 0o755, found + "\nmaven service 1.0"},
		"no script":             {"usr/bin/service", jar, 0o755, found},
		"group may run it":      {"app/service", script + jar, 0o650, found},
		"nobody may run it":     {"app/service", script + jar, 0o644, ""},
		"script alone":          {"app/service", script + strings.Repeat("# x\n", 4<<10), 0o755, ""},
		"archive of no classes": {"app/service", script + other, 0o755, ""},
		"a zip":                 {"app/service", other, 0o755, ""},
		"in a build's cache":    {"root/.gradle/caches/a/service", script + jar, 0o755, ""},
		"cut off":               {"app/service", script + jar[:len(jar)-30], 0o755, ""},
	} {
		root := testkit.Tree(t, map[string]string{c.path: c.content})
		if err := os.Chmod(filepath.Join(root, c.path), c.mode); err != nil {
			t.Fatal(err)
		}
		inv := inventoryOf(t, root, Options{}, readers())
		if got := names(inv); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if c.want != "" && len(inv.Packages) == 1 && inv.Packages[0].EmbeddedIn != c.path+"!/BOOT-INF/lib/snakeyaml-1.33.jar" {
			t.Errorf("%s: embedded in %q", name, inv.Packages[0].EmbeddedIn)
		}
	}
}

// A damaged directory of an executable jar is a scan error.
func TestExecutableJarDamaged(t *testing.T) {
	jar := []byte(application(t, true))
	central := bytes.LastIndex(jar, []byte("PK\x01\x02"))
	copy(jar[central:], "XXXX")
	root := testkit.Tree(t, map[string]string{"app/service": "#!/bin/sh\n" + string(jar)})
	if err := os.Chmod(filepath.Join(root, "app/service"), 0o755); err != nil {
		t.Fatal(err)
	}
	inv := inventoryOf(t, root, Options{}, readers())
	if len(inv.ScanErrors) != 1 || inv.ScanErrors[0].Path != "app/service" {
		t.Errorf("%s", names(inv))
	}
}
