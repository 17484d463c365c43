package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/assayd"
)

// TestFixes runs the commands of the log with npm, pip, gem and Bundler on trees that these
// made, with published advisories, and scans again. The packages of npm are those of its
// registry. Those of Python and Ruby only have the names and versions of published ones, and
// come from a server of the test.
func TestFixes(t *testing.T) {
	for _, program := range []string{"npm", "python3", "gem", "bundle"} {
		if _, err := exec.LookPath(program); err != nil {
			testkit.Missing(t, "%s", program)
		}
	}
	dir := t.TempDir()
	records := filepath.Join(dir, "records")
	samples := testkit.Path(t, "osv-samples")
	for _, id := range []string{"GHSA-fhjf-83wg-r2j9", "GHSA-mhpp-875w-9cpv"} { // mixin-deep and jquery
		b, err := os.ReadFile(filepath.Join(samples, id+".json"))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(records, id+".json"), b)
	}
	recordsOf(t, records, "PyPI", "idna")
	recordsOf(t, records, "RubyGems", "rack")
	config := assayd.Config{Binary: filepath.Join(bin, "assayd"), Data: filepath.Join(dir, "data")}
	if err := config.Import(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	token, err := config.NewToken(t.Context(), "fixes")
	if err != nil {
		t.Fatal(err)
	}
	server, err := config.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	secret := filepath.Join(dir, "token")
	writeFile(t, secret, []byte(token))
	scan := scanner{server.URL, secret}

	t.Run("npm", func(t *testing.T) { testNPM(t, scan) })
	t.Run("npm-range", func(t *testing.T) { testNPMRange(t, scan) })
	t.Run("npm-global", func(t *testing.T) { testNPMGlobal(t, scan) })
	t.Run("pip", func(t *testing.T) { testPip(t, scan) })
	t.Run("gem", func(t *testing.T) { testGem(t, scan) })
	t.Run("bundler", func(t *testing.T) { testBundler(t, scan) })
}

// A scanner scans roots.
type scanner struct{ url, token string }

// fails scans a root that must fail, and returns the log and the only command in it.
func (s scanner) fails(t *testing.T, root string) (log, command string) {
	t.Helper()
	log, code := s.scan(t, root)
	if code != 4 {
		t.Fatalf("exit code %d, want 4:\n%s", code, log)
	}
	_, fixes, _ := strings.Cut(log, "\nWhat fixes it:\n")
	fixes, _, _ = strings.Cut(fixes, "\n\n")
	// A long command goes on in the next line, as in a shell.
	fixes = regexp.MustCompile(`\\\n +`).ReplaceAllString(fixes, "")
	commands := regexp.MustCompile(`(?m)^    ((?:RUN|npm|bundle) .*)$`).FindAllStringSubmatch(fixes, -1)
	if len(commands) > 1 {
		t.Fatalf("%d commands:\n%s", len(commands), log)
	}
	if len(commands) == 1 {
		command = commands[0][1]
	}
	return log, command
}

// passes scans a root that must pass.
func (s scanner) passes(t *testing.T, root string) {
	t.Helper()
	if log, code := s.scan(t, root); code != 0 {
		t.Errorf("after the fix: exit code %d:\n%s", code, log)
	}
}

func (s scanner) scan(t *testing.T, root string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "assay"), "--root", root, "--server", s.url, "--token-file", s.token)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// inShell runs a command line in a folder, with variables in addition to the environment.
func inShell(t *testing.T, dir string, env []string, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// line returns the shell command of a line for the Dockerfile.
func line(t *testing.T, command string) string {
	t.Helper()
	rest, ok := strings.CutPrefix(command, "RUN ")
	if !ok {
		t.Fatalf("%q is not a line for the Dockerfile", command)
	}
	return rest
}

// imageOf returns a root in which a folder of this machine has the same path.
func imageOf(t *testing.T, folder string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, folder), os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	return root
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// recordsOf writes the published records of an ecosystem that mention a package.
func recordsOf(t *testing.T, dir, ecosystem, name string) {
	t.Helper()
	archive, err := zip.OpenReader(testkit.Path(t, "osv", ecosystem, "all.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	mention := regexp.MustCompile(`"name": ?"` + regexp.QuoteMeta(name) + `"`)
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		if mention.Match(b) {
			writeFile(t, filepath.Join(dir, filepath.Base(f.Name)), b)
		}
	}
}

// npmProject makes a project with old packages. Their range is that of npm, ^VERSION.
func npmProject(t *testing.T, packages string) (root, project string) {
	t.Helper()
	root = t.TempDir()
	project = filepath.Join(root, "srv/app")
	writeFile(t, filepath.Join(project, "package.json"), []byte(`{"name": "app", "version": "1.0.0", "private": true}`))
	inShell(t, project, nil, "npm install --no-audit --no-fund --ignore-scripts "+packages)
	return root, project
}

func testNPM(t *testing.T, scan scanner) {
	t.Parallel()
	// mixin-deep is required by the project, and by base.
	root, project := npmProject(t, "mixin-deep@1.3.1 base@0.11.2")
	log, command := scan.fails(t, root)
	if command != "npm update mixin-deep" || !strings.Contains(log, "in the project of /srv/app") {
		t.Fatalf("command %q:\n%s", command, log)
	}
	inShell(t, project, nil, command)
	scan.passes(t, root)
}

// The range of the project does not reach the fix, so no command is given.
func testNPMRange(t *testing.T, scan scanner) {
	t.Parallel()
	root, project := npmProject(t, "jquery@2.2.4")
	log, command := scan.fails(t, root)
	if command != "" || !strings.Contains(log, "raise jquery to 3.0.0 in package.json") {
		t.Fatalf("command %q:\n%s", command, log)
	}
	inShell(t, project, nil, "npm update jquery")
	scan.fails(t, root)
	inShell(t, project, nil, "npm install --no-audit --no-fund --ignore-scripts jquery@3.0.0")
	scan.passes(t, root)
}

func testNPMGlobal(t *testing.T, scan scanner) {
	t.Parallel()
	prefix := t.TempDir()
	inShell(t, prefix, nil, "npm install --no-audit --no-fund --ignore-scripts -g --prefix "+prefix+" npm@10.9.2 jquery@2.2.4")
	log, command := scan.fails(t, imageOf(t, prefix))
	if want := "RUN npm install -g --prefix " + prefix + " jquery@3.0.0"; command != want {
		t.Fatalf("command %q, want %q:\n%s", command, want, log)
	}
	inShell(t, prefix, nil, line(t, command))
	scan.passes(t, imageOf(t, prefix))
}

func testPip(t *testing.T, scan scanner) {
	t.Parallel()
	const name, old = "idna", "3.6"
	var mu sync.Mutex
	wheels := map[string][]byte{}
	index := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if b, ok := wheels[filepath.Base(r.URL.Path)]; ok {
			w.Write(b)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		for file := range wheels {
			fmt.Fprintf(w, "<a href=\"/%s\">%s</a>\n", file, file)
		}
	}))
	t.Cleanup(index.Close)
	offer := func(version string) {
		mu.Lock()
		defer mu.Unlock()
		wheels[fmt.Sprintf("%s-%s-py3-none-any.whl", name, version)] = wheel(t, name, version)
	}
	offer(old)

	dir := t.TempDir()
	env := []string{"PIP_INDEX_URL=" + index.URL + "/simple", "PIP_CONFIG_FILE=/dev/null", "PIP_FIND_LINKS=", "PIP_NO_CACHE_DIR=1",
		"PIP_DISABLE_PIP_VERSION_CHECK=1"}
	inShell(t, dir, env, "python3 -m venv "+dir+"/venv && "+dir+"/venv/bin/pip install "+name+"=="+old)
	log, command := scan.fails(t, imageOf(t, dir))
	fixed, ok := strings.CutPrefix(command, "RUN "+dir+"/venv/bin/pip install "+name+"==")
	if !ok {
		t.Fatalf("command %q:\n%s", command, log)
	}
	offer(fixed)
	inShell(t, dir, env, line(t, command))
	scan.passes(t, imageOf(t, dir))
}

// wheel returns a wheel of a module without content.
func wheel(t *testing.T, name, version string) []byte {
	t.Helper()
	info := fmt.Sprintf("%s-%s.dist-info/", name, version)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range [][2]string{
		{name + ".py", ""},
		{info + "METADATA", "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n"},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{info + "RECORD", name + ".py,,\n" + info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "RECORD,,\n"},
	} {
		w, err := z.Create(f[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The gem whose fixes are tried, and a version that has vulnerabilities with fixes of the
// same release.
const rack, oldRack = "rack", "2.2.3"

// A gemServer serves gems that gem itself has built and indexed.
type gemServer struct{ dir, url string }

func newGemServer(t *testing.T) gemServer {
	t.Helper()
	g := gemServer{dir: t.TempDir()}
	s := httptest.NewServer(http.FileServer(http.Dir(g.dir)))
	t.Cleanup(s.Close)
	g.url = s.URL
	g.offer(t, oldRack)
	return g
}

// env lets gem and Bundler use the server and none of the user's settings.
func (g gemServer) env(t *testing.T) []string {
	home := t.TempDir()
	writeFile(t, filepath.Join(home, ".gemrc"), []byte(":sources:\n- "+g.url+"/\n"))
	return []string{"HOME=" + home, "GEMRC=" + filepath.Join(home, ".gemrc"), "BUNDLE_USER_HOME=" + home, "GEM_SPEC_CACHE=" + home}
}

// offer adds a version of the gem.
func (g gemServer) offer(t *testing.T, version string) {
	t.Helper()
	from := t.TempDir()
	writeFile(t, filepath.Join(from, "rack.gemspec"), []byte("Gem::Specification.new do |s|\n  s.name = \""+rack+"\"\n  s.version = \""+version+
		"\"\n  s.summary = \"test\"\n  s.authors = [\"test\"]\n  s.files = []\nend\n"))
	inShell(t, from, nil, "mkdir -p "+g.dir+"/gems && gem build --silent rack.gemspec && mv *.gem "+g.dir+"/gems/ && gem generate_index --silent -d "+g.dir)
}

func testGem(t *testing.T, scan scanner) {
	t.Parallel()
	g := newGemServer(t)
	env := g.env(t)
	dir := t.TempDir()
	inShell(t, dir, env, "gem install --no-document -i "+dir+"/gems "+rack+":"+oldRack)
	log, command := scan.fails(t, imageOf(t, dir))
	install, ok := strings.CutPrefix(command, "RUN export GEM_HOME="+dir+"/gems && gem install "+rack+":")
	fixed, _, more := strings.Cut(install, " ")
	if !ok || !more {
		t.Fatalf("command %q:\n%s", command, log)
	}
	g.offer(t, fixed)
	inShell(t, dir, env, line(t, command))
	scan.passes(t, imageOf(t, dir))
}

func testBundler(t *testing.T, scan scanner) {
	t.Parallel()
	g := newGemServer(t)
	env := append(g.env(t), "BUNDLE_PATH=vendor/bundle")
	root := t.TempDir()
	project := filepath.Join(root, "srv/app")
	writeFile(t, filepath.Join(project, "Gemfile"), []byte("source \""+g.url+"\"\ngem \""+rack+"\"\n"))
	inShell(t, project, env, "bundle install")
	log, command := scan.fails(t, root)
	if command != "bundle update --conservative "+rack {
		t.Fatalf("command %q:\n%s", command, log)
	}
	to := regexp.MustCompile(rack + ` \S+ -> (\S+)`).FindStringSubmatch(log)
	if to == nil {
		t.Fatalf("no version with the fix:\n%s", log)
	}
	g.offer(t, to[1])
	inShell(t, project, env, command)
	// The image is built again, with what the lock file now has.
	inShell(t, project, env, "rm -r vendor/bundle && bundle install")
	scan.passes(t, root)
}
