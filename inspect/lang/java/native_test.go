package java

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
)

// The packages of jars, and of nested jars, that Java's own tool makes are read.
func TestJarTool(t *testing.T) {
	jar, err := exec.LookPath("jar")
	if err != nil {
		testkit.Missing(t, "jar, of a JDK: %v", err)
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
	for _, flags := range []string{"cf", "cf0"} { // deflated with sizes after the content; stored
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
