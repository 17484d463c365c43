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

	"assay/testdata"
)

// pythonPOMs prints what each pom.properties names, of each jar that is given:
// "group:artifact version", as Python reads archives.
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

// The jars of a large Debian have the packages that Python and jar find in them,
// and beside them only what is unidentified, of Tomcat or of Spring.
func TestDebian(t *testing.T) {
	root := filepath.Join(testdata.Root(t), "dist", "roots", "fat")
	if _, err := os.Stat(root); err != nil {
		testdata.Missing(t, "the large root: %v; make it with testdata/roots/make.sh fat", err)
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		testdata.Missing(t, "python3: %v", err)
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
			testdata.Missing(t, "Debian's jars in the large root: %v", err)
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
				strings.HasPrefix(p.Name, "org.springframework:spring-") || p.Name == "org.mongodb:mongo-java-driver"):
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

// The native tool of Java makes jars, and jars in jars, whose packages are read.
func TestJarTool(t *testing.T) {
	jar, err := exec.LookPath("jar")
	if err != nil {
		testdata.Missing(t, "jar, of a JDK: %v", err)
	}
	dir := t.TempDir()
	run := func(args ...string) {
		cmd := exec.CommandContext(t.Context(), jar, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("jar %v: %v: %s", args, err, out)
		}
	}
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range zipped(t, "properties") {
		if name == "guava-27.0-jre.jar" {
			write("guava/META-INF/maven/com.google.guava/guava/pom.properties", text)
		}
	}
	write("manifest", "Implementation-Title: "+strings.Repeat("long-", 30)+"name\nImplementation-Version: 1.0\n")
	write("war/WEB-INF/web.xml", "<web-app/>")
	if err := os.Mkdir(filepath.Join(dir, "war", "WEB-INF", "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	run("cf", "war/WEB-INF/lib/guava-27.0-jre.jar", "-C", "guava", ".")
	run("cfm", "war/WEB-INF/lib/service.jar", "manifest", "war/WEB-INF/web.xml")
	for _, flags := range []string{"cf", "cf0"} { // deflated with sizes that follow; stored
		run(flags, "app.war", "-C", "war", ".")
		b, err := os.ReadFile(filepath.Join(dir, "app.war"))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"com.google.guava:guava 27.0-jre app.war!/WEB-INF/lib/guava-27.0-jre.jar",
			strings.Repeat("long-", 30) + "name 1.0 app.war!/WEB-INF/lib/service.jar",
		}
		if got, err := show(b, "app.war"); err != nil || !slices.Equal(got, want) {
			t.Errorf("jar %s: %q, %v; want %q", flags, got, err, want)
		}
	}
}
