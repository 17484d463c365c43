package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"assay/check/testkit"
)

// read returns a file of the project.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testkit.Root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// verify returns what systemd-analyze says about a unit. It also reads the drop-in.
func verify(t *testing.T, unit string) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "assayd")
	for name, text := range map[string]string{
		program:                              "",
		filepath.Join(dir, "assayd.service"): strings.ReplaceAll(unit, "/usr/local/bin/assayd", program),
		filepath.Join(dir, "assayd.service.d", "postgresql.conf"): read(t, "deploy/systemd/postgresql.conf"),
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if name == program {
			mode = 0o755
		}
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("systemd-analyze", "verify", "--man=no", filepath.Join(dir, "assayd.service"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil && stderr.Len() == 0 {
		t.Fatal(err)
	}
	return stderr.String()
}

// systemd ignores a key that it does not know, and says so on standard error only.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		testkit.Missing(t, "systemd-analyze: apt-get install systemd")
	}
	unit := read(t, "deploy/systemd/assayd.service")
	if said := verify(t, unit); said != "" {
		t.Errorf("systemd-analyze verify:\n%s", said)
	}
	if said := verify(t, strings.Replace(unit, "ProtectHome=", "ProtectHouse=", 1)); !strings.Contains(said, "ProtectHouse") {
		t.Errorf("an unknown key is not reported: %q", said)
	}
}

var flag = regexp.MustCompile(`--[a-z][a-z-]+`)

// The files start assayd with flags that serve has.
func TestFlags(t *testing.T) {
	cmd := exec.Command("go", "run", "./service/assayd", "serve", "--help")
	cmd.Dir = testkit.Root(t)
	help, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range flag.FindAllString(string(help), -1) {
		known[f] = true
	}
	for name, lines := range map[string]*regexp.Regexp{
		"deploy/compose.yaml":            regexp.MustCompile(`(?m)^ +- --.*`),
		"deploy/compose.tls.yaml":        regexp.MustCompile(`(?m)^ +- --.*`),
		"deploy/kubernetes/assayd.yaml":  regexp.MustCompile(`(?m)^ +- --.*`),
		"deploy/systemd/assayd.service":  regexp.MustCompile(`(?m)^(ExecStart|#   ASSAYD_FLAGS)=.*`),
		"deploy/systemd/postgresql.conf": regexp.MustCompile(`(?m)^Environment=.*`),
		"deploy/systemd/install.sh":      regexp.MustCompile(`(?m)ASSAYD_FLAGS=.*`),
	} {
		found := flag.FindAllString(strings.Join(lines.FindAllString(read(t, name), -1), "\n"), -1)
		if len(found) == 0 {
			t.Errorf("%s has no flags", name)
		}
		for _, f := range found {
			if !known[f] {
				t.Errorf("%s: assayd serve has no flag %s", name, f)
			}
		}
	}
}

// install.sh writes its argument into the settings, where a space would begin another flag.
func TestInstallDomain(t *testing.T) {
	for _, domain := range []string{"", "a.example.com --oidc=/x", "-x", "https://assay.example.com", "a.example.com\nX=1"} {
		cmd := exec.Command("/bin/sh", filepath.Join(testkit.Root(t), "deploy", "systemd", "install.sh"), domain)
		cmd.Env = []string{"PATH=/nonexistent"} // it can install nothing
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "invalid domain") {
			t.Errorf("%q: %v\n%s", domain, err, out)
		}
	}
	cmd := exec.Command("/bin/sh", filepath.Join(testkit.Root(t), "deploy", "systemd", "install.sh"), "assay-1.example.com")
	cmd.Env = []string{"PATH=/nonexistent"}
	if out, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(out), "invalid domain") {
		t.Errorf("a valid domain: %v\n%s", err, out)
	}
}
