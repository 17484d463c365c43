package builders

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"assay/check/assayd"
	"assay/testdata"
	"assay/verdict"
)

// base is the name that Dockerfile.example builds on.
const base = "debian:12-slim"

// A rig is everything that a build needs, running.
type rig struct {
	docker
	dir     string
	root    string // the Debian that base was imported from
	records string // the zip of advisories that assayd holds
	data    string // assayd's data folder
	service *assayd.Server
	token   string
	example string // Dockerfile.example with the address of the service in it
}

func newRig(t *testing.T) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		testdata.Missing(t, "root: an engine is started and a Debian is made")
	}
	for _, tool := range []string{"dockerd", "docker", "debootstrap", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			testdata.Missing(t, "%s: deploy/needs.sh installs it", tool)
		}
	}
	project := testdata.Root(t)
	r := &rig{records: testdata.Path(t, "osv", "Debian", "all.zip")}
	// Not t.TempDir: the path of the engine's socket has to be short.
	dir, err := os.MkdirTemp("", "assay")
	if err != nil {
		t.Fatal(err)
	}
	r.dir, r.data = dir, filepath.Join(dir, "assayd")
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})

	for _, args := range [][]string{
		{"build", "-tags", "urfave_cli_no_docs", "-ldflags", "-s -w", "-o", filepath.Join(dir, "assay"), "."},
		{"build", "-o", filepath.Join(dir, "assayd-bin"), "./service/assayd"},
	} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = project, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
	}
	made := exec.CommandContext(t.Context(), filepath.Join(project, "testdata", "roots", "make.sh"), "slim")
	made.Stderr = os.Stderr
	out, err := made.Output()
	if err != nil {
		t.Fatalf("make.sh slim: %v", err)
	}
	r.root = strings.TrimSpace(string(out))

	config := assayd.Config{Binary: filepath.Join(dir, "assayd-bin"), Data: r.data, Clients: dir}
	if err := config.Import(t.Context(), r.records); err != nil {
		t.Fatal(err)
	}
	if r.token, err = config.NewToken(t.Context(), "builders"); err != nil {
		t.Fatal(err)
	}
	if r.service, err = config.Serve(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.service.Close(); err != nil {
			t.Error(err)
		}
	})
	r.docker = startDocker(t, dir)
	r.importRoot(t, r.root, base)

	b, err := os.ReadFile(filepath.Join(project, "Dockerfile.example"))
	if err != nil {
		t.Fatal(err)
	}
	r.example = replaced(t, string(b), "https://assay.example.com", r.service.URL)
	return r
}

const betterForm = "\n# The lines above work with every builder."

// classic is the first form of Dockerfile.example.
func (r *rig) classic(t *testing.T) string {
	t.Helper()
	form, _, found := strings.Cut(r.example, betterForm)
	if !found {
		t.Fatalf("Dockerfile.example has no line %q", betterForm)
	}
	return form
}

var upgradeLine = regexp.MustCompile(`(?m)^#(RUN apt-get update .*)$`)

// mended is the first form with the line that upgrades.
func (r *rig) mended(t *testing.T) string {
	t.Helper()
	form := r.classic(t)
	if !upgradeLine.MatchString(form) {
		t.Fatalf("no line that upgrades in:\n%s", form)
	}
	return upgradeLine.ReplaceAllString(form, "$1")
}

var codeComment = regexp.MustCompile(`(?m)^#([A-Z].*)$`)

// secret is the second form of Dockerfile.example, with the change that it
// tells users of Docker 20.10 to make.
func (r *rig) secret(t *testing.T) string {
	t.Helper()
	_, form, _ := strings.Cut(r.example, betterForm)
	var lines []string
	for _, m := range codeComment.FindAllStringSubmatch(form, -1) {
		lines = append(lines, m[1])
	}
	form = replaced(t, strings.Join(lines, "\n")+"\n", "FROM scratch AS assay", "FROM "+base+" AS assay")
	form = replaced(t, form, "--chmod=755 ", "")
	return replaced(t, form, "/assay /\n", "/assay /\nRUN chmod +x /assay\n")
}

// mendedSecret is the second form with the line that upgrades before its scan.
func (r *rig) mendedSecret(t *testing.T) string {
	t.Helper()
	upgrade := upgradeLine.FindStringSubmatch(r.classic(t))
	if upgrade == nil {
		t.Fatal("no line that upgrades")
	}
	return replaced(t, r.secret(t), "\nRUN --mount", "\n"+upgrade[1]+"\nRUN --mount")
}

// replaced is strings.ReplaceAll where old has to be there.
func replaced(t *testing.T, s, old, new string) string {
	t.Helper()
	if !strings.Contains(s, old) {
		t.Fatalf("%q is not in:\n%s", old, s)
	}
	return strings.ReplaceAll(s, old, new)
}

var stableLine = regexp.MustCompile(`assay: verdict=(\w+) code=(\d) .*scan=(\S+)`)

// verdict gets the verdict of the scan that a log names.
func (r *rig) verdict(t *testing.T, log string) verdict.Verdict {
	t.Helper()
	m := stableLine.FindStringSubmatch(log)
	if m == nil {
		t.Fatalf("no stable line in:\n%s", log)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.service.URL+"/api/v1/scans/"+m[3], nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("get scan: %s %v\n%s", resp.Status, err, body)
	}
	var v verdict.Verdict
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// client saves the client as it is served, with its service filled in.
func (r *rig) client(t *testing.T) string {
	t.Helper()
	resp, err := http.Get(r.service.URL + "/assay")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("get /assay: %s %v", resp.Status, err)
	}
	path := filepath.Join(t.TempDir(), "assay")
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// last returns the last n lines of a text.
func last(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
