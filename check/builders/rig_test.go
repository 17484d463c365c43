package builders

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/assayd"
	"assay/verdict"
)

// The images that the builders have. FROM in docs/patterns names the vulnerable one. A
// test that needs the patched one replaces the name.
const (
	base              = "debian:12-slim"
	patched           = "debian:12-patched"
	distroless        = "gcr.io/distroless/base-debian12"
	distrolessPatched = "gcr.io/distroless/base-debian12:patched"
	authority         = "registry.example.com/authority:1"
	clientImage       = "registry.example.com/assay:1"
)

// version is what the programs say they are: docs/patterns names it.
const version = "1.0.0"

// A rig is everything that a build needs, running.
type rig struct {
	docker
	project  string
	dir      string
	root     string // the Debian that base was imported from
	records  string // the zip of advisories that assayd holds
	data     string // assayd's data folder
	service  *assayd.Server
	behind   *assayd.Server // another, which builds reach at private
	private  string         // the address of a proxy that ends TLS, of a private authority
	token    string
	secret   string // the file that holds the token
	builders []builder
	// thorough: a BuildKit of today takes part, and everything is built with every
	// builder. Without it what takes long or repeats another builder is left out.
	thorough bool
	// want are the findings of base and its patched form, wantDistroless those of
	// the distroless image.
	want, wantMended, wantDistroless map[finding]bool
}

func newRig(t *testing.T) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		testkit.Missing(t, "root: an engine is started and a Debian is made")
	}
	for _, tool := range []string{"dockerd", "docker", "debootstrap", "unshare", "buildah", "podman", runc} {
		if _, err := exec.LookPath(tool); err != nil {
			testkit.Missing(t, "%s: deploy/needs.sh installs it", tool)
		}
	}
	r := &rig{project: testkit.Root(t), records: testkit.Path(t, "osv", "Debian", "all.zip")}
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
	r.programs(t)
	r.root = slim(t, r.project)
	r.services(t)
	r.engines(t)
	return r
}

// slim makes the small root, if it is not there, and returns its folder. What is
// said on the way goes to the error output.
func slim(t *testing.T, project string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(project, "testdata", "roots", "make.sh"), "slim")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("make.sh slim: %v\n%s", err, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// programs builds assay and assayd and puts install.sh next to them.
func (r *rig) programs(t *testing.T) {
	t.Helper()
	ldflags := "-s -w -X main.version=" + version
	for _, args := range [][]string{
		{"build", "-tags", "urfave_cli_no_docs", "-ldflags", ldflags, "-o", filepath.Join(r.dir, "assay"), "."},
		{"build", "-ldflags", ldflags, "-o", filepath.Join(r.dir, "assayd-bin"), "./service/assayd"},
	} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = r.project, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
	}
	must(t, nil, nil, "/bin/cp", filepath.Join(r.project, "install.sh"), r.dir)
}

// services starts an assayd, and one behind a proxy that ends TLS.
func (r *rig) services(t *testing.T) {
	t.Helper()
	config := assayd.Config{Binary: filepath.Join(r.dir, "assayd-bin"), Data: r.data, Clients: r.dir}
	if err := config.Import(t.Context(), r.records); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.token, err = config.NewToken(t.Context(), "builders"); err != nil {
		t.Fatal(err)
	}
	r.secret = filepath.Join(r.dir, "token.txt")
	if err := os.WriteFile(r.secret, []byte(r.token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tls := httptest.NewUnstartedServer(nil)
	t.Cleanup(tls.Close)
	r.private = "https://" + tls.Listener.Addr().String()
	r.behind = r.serve(t, "--public-url", r.private)
	r.service = r.serve(t)
	to, err := url.Parse(r.behind.URL)
	if err != nil {
		t.Fatal(err)
	}
	tls.Config.Handler = httputil.NewSingleHostReverseProxy(to)
	tls.StartTLS()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw})
	if err := os.MkdirAll(filepath.Join(r.dir, "authority"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.roots(), ca, 0o644); err != nil {
		t.Fatal(err)
	}
}

// roots is the file of the authority of the service behind TLS.
func (r *rig) roots() string { return filepath.Join(r.dir, "authority", "ca.pem") }

// serve starts an assayd with flags of its own. Without any it has the data
// folder of the rig, else a copy of it.
func (r *rig) serve(t *testing.T, flags ...string) *assayd.Server {
	t.Helper()
	// It holds Debian's advisories alone, and one image has a program of Go.
	config := assayd.Config{Binary: filepath.Join(r.dir, "assayd-bin"), Data: r.data, Clients: r.dir,
		Flags: append([]string{"--without", "Go"}, flags...)}
	if len(flags) > 0 {
		config.Data = filepath.Join(t.TempDir(), "data")
		must(t, nil, nil, "/bin/cp", "-a", r.data, config.Data)
	}
	s, err := config.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// fixLines matches the command that fixes an image, in the log of its scan.
var fixLines = regexp.MustCompile(`(?m)^ +RUN (.*\\\n)*.*\n`)

// engines starts what builds, and gives it the images.
func (r *rig) engines(t *testing.T) {
	t.Helper()
	r.docker = startDocker(t, r.dir, r.roots())
	archives := map[string]string{
		base:        r.archive(t, r.root),
		authority:   r.archive(t, filepath.Dir(r.roots())),
		clientImage: r.archive(t, filepath.Dir(r.client(t))),
	}
	r.load(t, archives[base], base)
	b := classic{r.docker}
	got := b.build(t, job{dockerfile: r.classic(t), args: map[string]string{"token": r.token}})
	wantFindings(t, b, got)
	// What the log says to do, done.
	fix := fixLines.FindString(got.log)
	mustBuild(t, b, job{dockerfile: "FROM " + base + "\n" + fix, tag: patched})
	archives[patched] = r.export(t, patched)
	admindir := r.copyOut(t, patched, "/var/lib/dpkg")
	r.want = expected(t, filepath.Join(r.root, "var/lib/dpkg"), r.records)
	r.wantMended = expected(t, admindir, r.records)
	r.wantDistroless = map[finding]bool{}
	for f := range r.want {
		if f.Package == distrolessPackages[0] {
			r.wantDistroless[f] = true
		}
	}
	if len(r.wantDistroless) == 0 || len(r.want) == len(r.wantDistroless) {
		t.Fatalf("dpkg expects %d findings, %d of them in %s: nothing would be shown", len(r.want), len(r.wantDistroless), distrolessPackages[0])
	}
	archives[distroless] = r.archive(t, r.distroless(t, filepath.Join(r.root, "var/lib/dpkg")))
	archives[distrolessPatched] = r.archive(t, r.distroless(t, admindir))

	// buildah leaves its store mounted on itself.
	t.Cleanup(func() { syscall.Unmount(filepath.Join(r.dir, "store", "overlay"), syscall.MNT_DETACH) })
	buildah, podman := newBuildah(r.dir, r.roots()), newPodman(r.dir, r.roots())
	r.builders = []builder{classic{r.docker}, debianBuildKit{r.docker}, buildah, podman}
	var modern *buildkitd
	if bin := os.Getenv("BUILDKIT"); bin != "" {
		r.thorough = true
		modern = startBuildkitd(t, bin, r.dir, r.roots())
		r.builders = append(r.builders, modern)
	}
	for name, archive := range archives {
		if name != base && name != patched {
			r.load(t, archive, name)
		}
		// Not t.TempDir: buildah takes lower case only.
		image := newLayout(t, filepath.Join(r.dir, "images", file(name)), archive)
		buildah.load(t, image, name) // podman has the same store
		if modern != nil {
			modern.bases[name] = image
		}
	}
}

// differing are the builders whose images and mounts are inspected: all of them in a
// thorough run, otherwise Docker's two, because saving and unpacking images takes long.
func (r *rig) differing() []builder {
	if r.thorough {
		return r.builders
	}
	return r.builders[:2]
}

// archive packs a folder.
func (r *rig) archive(t *testing.T, root string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "files.tar")
	must(t, nil, nil, "/bin/tar", "-C", root, "-cf", path, ".")
	return path
}

// distrolessPackages are what the distroless image holds, the vulnerable one
// first.
var distrolessPackages = [...]string{"libpcre2-8-0", "base-files", "libc6", "libgcc-s1"}

// distroless makes what distroless images are made of, out of a Debian: the
// os-release, and each package's stanza in a file of its own.
func (r *rig) distroless(t *testing.T, admindir string) string {
	t.Helper()
	root := t.TempDir()
	status := filepath.Join(root, "var/lib/dpkg/status.d")
	for _, dir := range []string{status, filepath.Join(root, "etc")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	must(t, nil, nil, "/bin/cp", filepath.Join(r.root, "usr/lib/os-release"), filepath.Join(root, "etc"))
	for _, name := range distrolessPackages {
		stanza := must(t, nil, nil, "/usr/bin/dpkg-query", "--admindir", admindir, "-s", name)
		if err := os.WriteFile(filepath.Join(status, name), []byte(stanza), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// example returns Dockerfile.example with the address of the service in it.
func (r *rig) example(t *testing.T) string {
	t.Helper()
	return r.addressed(t, r.read(t, "Dockerfile.example"))
}

// read returns a file of the project.
func (r *rig) read(t *testing.T, elem ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{r.project}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// addressed puts the address of the service into what somebody would paste.
func (r *rig) addressed(t *testing.T, text string) string {
	t.Helper()
	return replaced(t, text, "https://assay.example.com", r.service.URL)
}

const betterForm = "\n# The lines above work with every builder."

// classic is the first form of Dockerfile.example.
func (r *rig) classic(t *testing.T) string {
	t.Helper()
	form, _, found := strings.Cut(r.example(t), betterForm)
	if !found {
		t.Fatalf("Dockerfile.example has no line %q", betterForm)
	}
	return form
}

// patched is the first form with the line that upgrades.
func (r *rig) patched(t *testing.T) string {
	t.Helper()
	return replaced(t, r.classic(t), "\n#RUN apt-get update ", "\nRUN apt-get update ")
}

var codeComment = regexp.MustCompile(`(?m)^#([A-Z].*)$`)

// secretForm is the second form of Dockerfile.example, with the change that its comment
// describes for Docker 20.10.
func (r *rig) secretForm(t *testing.T) string {
	t.Helper()
	_, form, _ := strings.Cut(r.example(t), betterForm)
	var lines []string
	for _, m := range codeComment.FindAllStringSubmatch(form, -1) {
		lines = append(lines, m[1])
	}
	form = replaced(t, strings.Join(lines, "\n")+"\n", "FROM scratch AS assay", "FROM "+base+" AS assay")
	form = replaced(t, form, "--chmod=755 ", "")
	return replaced(t, form, "/assay /\n", "/assay /\nRUN chmod +x /assay\n")
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

// verdict gets the verdict of the scan that a log names first.
func (r *rig) verdict(t *testing.T, server, log string) verdict.Verdict {
	t.Helper()
	m := stableLine.FindStringSubmatch(log)
	if m == nil {
		t.Fatalf("no stable line in:\n%s", log)
	}
	v, err := parseVerdict(r.get(t, server+"/api/v1/scans/"+m[3]))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func parseVerdict(text []byte) (v verdict.Verdict, err error) {
	err = json.Unmarshal(text, &v)
	return v, err
}

// write writes a program of the tests.
func write(t *testing.T, path, script string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// get asks a service with the token.
func (r *rig) get(t *testing.T, address string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
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
		t.Fatalf("get %s: %s %v\n%s", address, resp.Status, err, body)
	}
	return body
}

// client saves the client as it is served, with its service filled in.
func (r *rig) client(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "assay")
	if err := os.WriteFile(path, r.get(t, r.service.URL+"/assay"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// last returns the last n lines of a text.
func last(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
