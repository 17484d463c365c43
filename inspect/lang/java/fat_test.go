//go:build fat

package java

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
)

// pythonPOMs prints what each pom.properties in the given jars says, "group:artifact
// version", as Python reads archives.
const pythonPOMs = `
import json, sys, zipfile
for path in sys.stdin.read().splitlines():
    found = []
    with zipfile.ZipFile(path) as z:
        for name in z.namelist():
            if name.endswith("/pom.properties"):
                lines = z.read(name).decode().splitlines()
                p = dict(l.split("=", 1) for l in lines if "=" in l and l[0] != "#")
                found.append(p["groupId"].strip() + ":" + p["artifactId"].strip() + " " + p["version"].strip())
    print(json.dumps(found))
`

// The jars of a large Debian have the packages that Python and jar find in them. Other
// packages are unidentified, or are Tomcat, Spring or a library in the list of
// publications.
func TestDebian(t *testing.T) {
	root := testkit.Fat(t)
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, dir := range []string{"usr/share/java", "usr/share/tomcat10", "usr/share/maven-repo", "usr/lib/jvm"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && filepath.Ext(path) == ".jar" {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", pythonPOMs)
	cmd.Stdin = strings.NewReader(strings.Join(paths, "\n"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lists := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if len(lists) != len(paths) || len(paths) < 100 {
		t.Fatalf("%d jars, %d lists", len(paths), len(lists))
	}
	identified, unidentified, own := 0, 0, 0
	for i, path := range paths {
		var want []string
		if err := json.Unmarshal(lists[i], &want); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		rel := strings.TrimPrefix(path, root+"/")
		found, err := Read(f, info.Size(), rel)
		f.Close()
		if err != nil {
			t.Errorf("%s: %v", rel, err)
		}
		var got []string
		owns := 0
		for _, p := range found {
			if p.EmbeddedIn == "" {
				owns++
			}
			switch {
			case !strings.Contains(p.Name, ":"):
				unidentified++
			case len(want) == 0 && (strings.HasPrefix(p.Name, "org.apache.tomcat:tomcat-") ||
				strings.HasPrefix(p.Name, "org.springframework:spring-")):
				own++
			case !slices.Contains(want, p.Name+" "+p.Version) && isPublished(p.Name, p.Version):
				own++
			default:
				got = append(got, p.Name+" "+p.Version)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) || owns > 1 {
			t.Errorf("%s: %q with %d of its own, Python finds %q", rel, got, owns, want)
		}
		identified += len(got)
	}
	t.Logf("%d jars: %d by pom.properties, %d by their manifest, %d unidentified", len(paths), identified, own, unidentified)
}

// isPublished reports whether the list of publications has a package.
func isPublished(name, version string) bool {
	group, artifact, _ := strings.Cut(name, ":")
	return published(artifact, version).group == group
}
