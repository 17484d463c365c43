package builders

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/assayd"
)

// A generatorRig is what BuildKit needs to scan a build whose Dockerfile does not
// name assay.
type generatorRig struct {
	*rig
	buildkit *buildkitd
	buildx   string   // the program
	env      []string // of a client that is logged in
	commits  int
}

// TestGenerator builds a Dockerfile of two lines with assay as the SBOM generator: by
// buildctl and buildx on a newer BuildKit, to each exporter, and by builders that ignore
// generators.
func TestGenerator(t *testing.T) {
	bin, buildx := os.Getenv("BUILDKIT"), os.Getenv("BUILDX")
	if bin == "" || buildx == "" {
		t.Skip("BUILDKIT and BUILDX name no programs: make test-builders runs this test")
	}
	if os.Geteuid() != 0 {
		testkit.Missing(t, "root: an engine is started")
	}
	dir, err := os.MkdirTemp("", "assay") // not t.TempDir: the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{project: testkit.Root(t), records: testkit.Path(t, "osv", "Debian", "all.zip"), dir: dir, data: filepath.Join(dir, "assayd")}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	r.programs(t)
	arm := filepath.Join(dir, "linux", "arm64", "assay")
	must(t, append(os.Environ(), "CGO_ENABLED=0", "GOARCH=arm64"), nil, "go", "build", "-C", r.project, "-tags", "urfave_cli_no_docs", "-o", arm, ".")
	config := assayd.Config{Binary: filepath.Join(dir, "assayd-bin"), Data: r.data, Clients: dir}
	if err := config.Import(t.Context(), r.records); err != nil {
		t.Fatal(err)
	}
	if r.token, err = config.NewToken(t.Context(), "builders"); err != nil {
		t.Fatal(err)
	}
	r.service = r.serve(t)
	g := &generatorRig{rig: r, buildkit: startBuildkitd(t, bin, dir, ""), buildx: buildx}
	g.env = g.login(t, r.service, r.token)
	must(t, g.env, nil, buildx, "create", "--name", "today", "--driver", "remote", g.buildkit.addr)
	for _, part := range []struct {
		name string
		test func(*testing.T, *generatorRig)
	}{
		{"exporters", testExporters},
		{"ignored", testIgnored},
		{"pattern", testGeneratorPattern},
		{"stages", testStages},
		{"platforms", testPlatforms},
		{"cached", testGeneratorCached},
		{"refused", testGeneratorRefused},
		{"traces", testGeneratorTraces},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, g) })
	}
}

// login returns the environment of a client that has logged in to a service.
func (g *generatorRig) login(t *testing.T, s *assayd.Server, token string) []string {
	t.Helper()
	dir := t.TempDir()
	auth := base64.StdEncoding.EncodeToString([]byte("assay:" + token))
	write(t, filepath.Join(dir, "config.json"), fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host(s), auth))
	// buildx keeps its builders next to it.
	return append(os.Environ(), "DOCKER_CONFIG="+dir, "BUILDX_CONFIG="+filepath.Join(g.dir, "buildx"), "BUILDX_BUILDER=today")
}

func host(s *assayd.Server) string { return strings.TrimPrefix(s.URL, "http://") }

// commit names a build, so that the service can be asked what came of it.
func (g *generatorRig) commit() string {
	g.commits++
	return fmt.Sprintf("commit%d", g.commits)
}

// scanned returns what the service says of a commit: 200, 404 or 409.
func (g *generatorRig) scanned(t *testing.T, s *assayd.Server, commit string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/v1/passed?commit="+commit, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+g.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// source makes a context with the package database of a Debian 12. A patched one
// lacks the packages that have fixes.
func (g *generatorRig) source(t *testing.T, dockerfile string, patched bool) string {
	t.Helper()
	dir := t.TempDir()
	from := testkit.Path(t, "pkgdb", "dpkg", "debian12-minbase")
	for _, name := range []string{"etc", "var"} {
		if err := os.CopyFS(filepath.Join(dir, "root", name), os.DirFS(filepath.Join(from, name))); err != nil {
			t.Fatal(err)
		}
	}
	if patched {
		path := filepath.Join(dir, "root", "var/lib/dpkg/status")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fixed := regexp.MustCompile(`^Package: (perl-base|apt|libapt-pkg6.0|libpcre2-8-0)\n`)
		var kept []string
		for _, stanza := range strings.Split(string(b), "\n\n") {
			if !fixed.MatchString(stanza) {
				kept = append(kept, stanza)
			}
		}
		write(t, path, strings.Join(kept, "\n\n"))
	}
	write(t, filepath.Join(dir, "Dockerfile"), dockerfile)
	return dir
}

const twoLines = "FROM scratch\nCOPY root /\n"

// buildctl builds by buildctl.
func (g *generatorRig) buildctl(t *testing.T, env []string, dir string, args ...string) outcome {
	t.Helper()
	return run(t, env, nil, g.buildkit.client, append([]string{"--addr", g.buildkit.addr, "build", "--progress", "plain",
		"--frontend", "dockerfile.v0", "--local", "dockerfile=" + dir, "--local", "context=" + dir}, args...)...)
}

func (g *generatorRig) buildxBuild(t *testing.T, dir string, args ...string) outcome {
	t.Helper()
	return run(t, g.env, nil, g.buildx, append([]string{"build", "--progress", "plain", dir}, args...)...)
}

// registry starts Debian's registry, for builds that push.
func (g *generatorRig) registry(t *testing.T) string {
	t.Helper()
	addr, err := assayd.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yml")
	write(t, config, fmt.Sprintf("version: 0.1\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %q}\n", filepath.Join(dir, "data"), addr))
	startDaemon(t, filepath.Join(dir, "log"), func() bool {
		resp, err := http.Get("http://" + addr + "/v2/")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	}, os.Environ(), "docker-registry", "serve", config)
	return addr
}

// testExporters checks the table about the generator in docs/builders.md: with every
// exporter, a failing scan fails the build, and a passing scan lets it pass.
func testExporters(t *testing.T, g *generatorRig) {
	pushed := g.registry(t)
	failing, passing := g.source(t, twoLines, false), g.source(t, twoLines, true)
	exporter := map[string]func(out string) string{
		"none":  func(string) string { return "" },
		"local": func(out string) string { return "type=local,dest=" + out },
		"tar":   func(out string) string { return "type=tar,dest=" + out },
		"OCI":   func(out string) string { return "type=oci,dest=" + out },
		"push":  func(string) string { return "type=image,push=true,name=" + pushed + "/" },
	}
	asks := map[string]func(string) []string{
		"buildctl, attest:sbom": func(p string) []string { return []string{"--opt", "attest:sbom=" + p} },
		"buildctl, argument":    func(p string) []string { return []string{"--opt", "build-arg:BUILDKIT_ATTEST_SBOM=" + p} },
		"buildx, --attest":      func(p string) []string { return []string{"--attest", "type=sbom," + p} },
		"buildx, --build-arg":   func(p string) []string { return []string{"--build-arg", "BUILDKIT_ATTEST_SBOM=" + p} },
	}
	documented := g.read(t, "docs", "builders.md")
	for way, ask := range asks {
		for name, output := range exporter {
			// A comma in the name would be one in the path of an output.
			t.Run(strings.ReplaceAll(way, ",", "")+" to "+name, func(t *testing.T) {
				for _, tt := range []struct {
					dir    string
					exit   int
					status int
				}{{failing, 1, http.StatusConflict}, {passing, 0, http.StatusOK}} {
					commit := g.commit()
					image := pushed + "/" + commit
					args := ask("generator=" + host(g.service) + "/assay,COMMIT=" + commit)
					out := filepath.Join(t.TempDir(), "out")
					if o := output(out); o != "" {
						if name == "push" {
							o += commit
						}
						args = append(args, "--output", o)
					}
					var got outcome
					if strings.HasPrefix(way, "buildctl") {
						got = g.buildctl(t, g.env, tt.dir, args...)
					} else {
						got = g.buildxBuild(t, tt.dir, args...)
					}
					if got.code != tt.exit || g.scanned(t, g.service, commit) != tt.status {
						t.Errorf("exit code %d, want %d; scanned %d, want %d\n%s", got.code, tt.exit, g.scanned(t, g.service, commit), tt.status, last(got.log, 40))
					}
					if tt.exit != 0 {
						for _, want := range []string{`process "/assay buildkit" did not complete successfully: exit code: 4`, "assay: FAIL, exit code 4"} {
							if !strings.Contains(last(got.log, 20), want) {
								t.Errorf("%q is not in the last lines:\n%s", want, last(got.log, 20))
							}
						}
						// buildctl makes the file before it builds.
						if info, err := os.Stat(out); err == nil && (info.IsDir() || info.Size() > 0) {
							t.Error("a failed build left its output")
						}
					}
					if name == "push" {
						resp, err := http.Get("http://" + pushed + "/v2/" + commit + "/tags/list")
						if err != nil {
							t.Fatal(err)
						}
						resp.Body.Close()
						if is := resp.StatusCode == http.StatusOK; is != (tt.exit == 0) {
							t.Errorf("%s is pushed: %v, with exit code %d", image, is, tt.exit)
						}
					}
					if name == "local" && tt.exit == 0 {
						checkStatement(t, filepath.Join(out, "sbom.spdx.json"))
					}
				}
			})
			if row := fmt.Sprintf("| %s | %s | scanned |", way, name); !strings.Contains(documented, row) {
				t.Errorf("docs/builders.md lacks the row %q", row)
			}
		}
	}
	for _, tt := range []struct{ way, name, says string }{
		{"buildx, --attest", "docker", "attestations are not supported by the current docker"},
	} {
		commit := g.commit()
		got := g.buildxBuild(t, failing, append(asks[tt.way]("generator="+host(g.service)+"/assay,COMMIT="+commit), "--output", "type=docker,dest="+filepath.Join(t.TempDir(), "out"))...)
		if got.code == 0 || g.scanned(t, g.service, commit) != http.StatusNotFound {
			t.Errorf("%s to %s: exit code %d\n%s", tt.way, tt.name, got.code, last(got.log, 10))
		}
		if row := fmt.Sprintf("| %s | %s | refused |", tt.way, tt.name); !strings.Contains(documented, row) {
			t.Errorf("docs/builders.md lacks the row %q", row)
		}
	}
	// The argument to the docker exporter: a failing scan fails.
	commit := g.commit()
	got := g.buildxBuild(t, failing, append(asks["buildx, --build-arg"]("generator="+host(g.service)+"/assay,COMMIT="+commit), "--output", "type=docker,dest="+filepath.Join(t.TempDir(), "out"))...)
	if got.code == 0 || g.scanned(t, g.service, commit) != http.StatusConflict {
		t.Errorf("argument to docker: exit code %d\n%s", got.code, last(got.log, 10))
	}
}

func checkStatement(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		PredicateType string
		Predicate     struct{ Packages []struct{ Name string } }
	}
	if err := json.Unmarshal(b, &s); err != nil || s.PredicateType != "https://spdx.dev/Document" || len(s.Predicate.Packages) < 50 {
		t.Errorf("SBOM of type %q with %d packages, %v", s.PredicateType, len(s.Predicate.Packages), err)
	}
}

// testIgnored checks what the documentation warns about: some builders pass such a build
// without a scan, which only the check at the end of a job detects.
func testIgnored(t *testing.T, g *generatorRig) {
	dir := g.source(t, twoLines, false)
	d := startDocker(t, g.dir, "")
	documented := g.read(t, "docs", "builders.md")
	for name, env := range map[string]string{"docker build 20.10, classic": "DOCKER_BUILDKIT=0", "docker build 20.10, BuildKit": "DOCKER_BUILDKIT=1"} {
		commit := g.commit()
		got := run(t, append(d.env, env), nil, d.client, "build", "--build-arg", "BUILDKIT_ATTEST_SBOM=generator="+host(g.service)+"/assay,COMMIT="+commit, dir)
		if got.code != 0 || g.scanned(t, g.service, commit) != http.StatusNotFound {
			t.Errorf("%s: exit code %d, scanned %d\n%s", name, got.code, g.scanned(t, g.service, commit), last(got.log, 10))
		}
		if row := fmt.Sprintf("| %s | image | **not scanned** |", name); !strings.Contains(documented, row) {
			t.Errorf("docs/builders.md lacks the row %q", row)
		}
		scanned := run(t, append(os.Environ(), "ASSAY_TOKEN="+g.token), nil, filepath.Join(g.dir, "assay"), "scanned", "--server", g.service.URL, "--commit", commit)
		if scanned.code != 5 || !strings.Contains(scanned.log, "no scan of commit") {
			t.Errorf("assay scanned: exit code %d\n%s", scanned.code, scanned.log)
		}
	}
}

// testGeneratorPattern runs the script of docs/patterns as a CI job would.
func testGeneratorPattern(t *testing.T, g *generatorRig) {
	script := strings.NewReplacer("https://assay.example.com", g.service.URL, "assay.example.com", host(g.service)).
		Replace(string(g.read(t, "docs", "patterns", "generator", "build.sh")))
	path := filepath.Join(t.TempDir(), "build.sh")
	write(t, path, script)
	config := t.TempDir()
	if err := os.MkdirAll(filepath.Join(config, "cli-plugins"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(g.buildx, filepath.Join(config, "cli-plugins", "docker-buildx")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		patched bool
		token   string
		code    int
		says    string
	}{
		{false, g.token, 1, "exit code: 4"},
		{true, g.token, 0, `"passed":true`},
		{true, g.token[:len(g.token)-1] + "!", 1, "401"},
	} {
		env := append(os.Environ(), "ASSAY_TOKEN="+tt.token, "COMMIT="+g.commit(), "DOCKER_CONFIG="+config,
			"BUILDX_CONFIG="+filepath.Join(g.dir, "buildx"), "BUILDX_BUILDER=today")
		got := run(t, env, nil, path, "--progress", "plain", g.source(t, twoLines, tt.patched))
		if got.code != tt.code || !strings.Contains(got.log, tt.says) || strings.Contains(got.log, tt.token) {
			t.Errorf("patched %v: exit code %d, want %d and %q\n%s", tt.patched, got.code, tt.code, tt.says, last(got.log, 20))
		}
	}
}

// testStages scans a stage that is not part of the result.
func testStages(t *testing.T, g *generatorRig) {
	dir := g.source(t, `FROM scratch AS build
ARG BUILDKIT_SBOM_SCAN_STAGE=true
COPY root /
FROM scratch
COPY patched /
COPY --from=build /etc/os-release /from-build
`, false)
	patched := g.source(t, twoLines, true)
	if err := os.CopyFS(filepath.Join(dir, "patched"), os.DirFS(filepath.Join(patched, "root"))); err != nil {
		t.Fatal(err)
	}
	got := g.buildxBuild(t, dir, "--attest", "type=sbom,generator="+host(g.service)+"/assay")
	if got.code != 1 || !strings.Contains(got.log, "exit code: 4") {
		t.Fatalf("exit code %d\n%s", got.code, last(got.log, 40))
	}
	image, stage := strings.Index(got.log, "scan of the image:"), strings.Index(got.log, "scan of the stage build:")
	if image < 0 || stage < image || !strings.Contains(got.log[image:stage], "assay: PASS") || !strings.Contains(last(got.log, 12), "assay: FAIL, exit code 4") {
		t.Errorf("the failing stage is not printed last:\n%s", last(got.log, 60))
	}
}

// testPlatforms builds for two platforms, of which each has its scan.
func testPlatforms(t *testing.T, g *generatorRig) {
	dir := g.source(t, "FROM scratch\nARG TARGETARCH\nCOPY root /\nCOPY Dockerfile /${TARGETARCH}\n", true)
	commit := g.commit()
	got := g.buildxBuild(t, dir, "--platform", "linux/amd64,linux/arm64", "--attest", "type=sbom,generator="+host(g.service)+"/assay,COMMIT="+commit)
	if got.code != 0 || strings.Count(got.log, "assay: verdict=pass") != 2 {
		t.Errorf("exit code %d\n%s", got.code, last(got.log, 60))
	}
}

// testGeneratorCached checks that an unchanged build is not scanned again until the
// image of the generator changes.
func testGeneratorCached(t *testing.T, g *generatorRig) {
	for _, tt := range []struct {
		fresh  string
		cached bool
	}{{"876000h", true}, {"20s", false}} {
		s := g.serve(t, "--fresh", tt.fresh)
		env := g.login(t, s, g.token)
		dir := g.source(t, twoLines, true)
		ask := []string{"--opt", "attest:sbom=generator=" + host(s) + "/assay"}
		first := g.buildctl(t, env, dir, ask...)
		must(t, nil, nil, "sleep", "20") // the shorter span ends
		second := g.buildctl(t, env, dir, ask...)
		if first.code != 0 || second.code != 0 || !strings.Contains(first.log, "assay: verdict=pass") {
			t.Fatalf("fresh %s: exit codes %d and %d\n%s", tt.fresh, first.code, second.code, last(second.log, 20))
		}
		if cached := !strings.Contains(second.log, "assay: verdict=pass"); cached != tt.cached {
			t.Errorf("fresh %s: the second scan is cached: %v\n%s", tt.fresh, cached, last(second.log, 20))
		}
	}
}

// testGeneratorRefused checks that a missing, wrong or revoked token fails the build.
func testGeneratorRefused(t *testing.T, g *generatorRig) {
	dir := g.source(t, twoLines, true)
	ask := func(image string) []string { return []string{"--opt", "attest:sbom=generator=" + image} }
	nobody := append(os.Environ(), "DOCKER_CONFIG="+t.TempDir())
	wrong := g.login(t, g.service, g.token[:len(g.token)-1]+"!")
	for name, env := range map[string][]string{"none": nobody, "wrong": wrong} {
		got := g.buildctl(t, env, dir, ask(host(g.service)+"/assay")...)
		if got.code != 1 || !strings.Contains(got.log, "401 Unauthorized") {
			t.Errorf("%s: exit code %d\n%s", name, got.code, last(got.log, 10))
		}
	}
	config := assayd.Config{Binary: filepath.Join(g.dir, "assayd-bin"), Data: g.data}
	secret, err := config.NewToken(t.Context(), "to be revoked")
	if err != nil {
		t.Fatal(err)
	}
	// A mirror keeps the image with its token longer than the service does.
	mirror := g.registry(t) + "/mirror/assay:1"
	os.Mkdir(filepath.Join(dir, "mirror"), 0o755)
	write(t, filepath.Join(dir, "mirror", "Dockerfile"), "FROM "+host(g.service)+"/assay\n")
	if got := g.buildctl(t, g.login(t, g.service, secret), filepath.Join(dir, "mirror"), "--output", "type=image,push=true,name="+mirror); got.code != 0 {
		t.Fatalf("mirror: %s", last(got.log, 20))
	}
	if got := g.buildctl(t, g.env, dir, ask(mirror)...); got.code != 0 {
		t.Fatalf("with the mirrored image: %s", last(got.log, 20))
	}
	must(t, nil, nil, config.Binary, "token", "revoke", "to be revoked", "--data", g.data)
	got := g.buildctl(t, g.env, dir, append(ask(mirror), "--no-cache")...)
	if got.code != 1 || !strings.Contains(got.log, "exit code: 3") || !strings.Contains(last(got.log, 20), "revoked") {
		t.Errorf("revoked: exit code %d\n%s", got.code, last(got.log, 20))
	}
	got = g.buildctl(t, g.login(t, g.service, secret), dir, ask(host(g.service)+"/assay")...)
	if got.code != 1 || !strings.Contains(got.log, "401 Unauthorized") {
		t.Errorf("a revoked token pulled: exit code %d\n%s", got.code, last(got.log, 10))
	}
	out := must(t, nil, nil, config.Binary, "token", "create", "--name", "of shop", "--project", "shop", "--data", g.data)
	secret, _, _ = strings.Cut(out, "\n")
	got = g.buildctl(t, g.login(t, g.service, secret), dir, ask(host(g.service)+"/assay,PROJECT=blog")...)
	if got.code != 1 || !strings.Contains(got.log, "exit code: 3") || !strings.Contains(last(got.log, 20), "project") {
		t.Errorf("another project: exit code %d\n%s", got.code, last(got.log, 20))
	}
}

// testGeneratorTraces checks that no token is in what is built, in provenance or in
// a log: neither that of the caller nor the one in the generator image.
func testGeneratorTraces(t *testing.T, g *generatorRig) {
	dir := g.source(t, twoLines, true)
	const tag = "generator-traces"
	got := g.buildctl(t, g.env, dir, "--opt", "attest:provenance=mode=max", "--opt", "attest:sbom=generator="+host(g.service)+"/assay,COMMIT="+g.commit(),
		"--output", "type=oci,name="+tag+",dest="+g.buildkit.file(tag))
	if got.code != 0 {
		t.Fatalf("exit code %d\n%s", got.code, last(got.log, 20))
	}
	token := regexp.MustCompile(`assay_[0-9A-Za-z]{38}`)
	if m := token.FindString(got.log); m != "" {
		t.Error("a token is in the log")
	}
	attested := false
	for name, b := range g.buildkit.image(t, tag) {
		if token.Match(b) {
			t.Errorf("a token is in %s", name)
		}
		attested = attested || strings.Contains(string(b), `"https://spdx.dev/Document"`)
	}
	if !attested {
		t.Error("the image has no SPDX attestation")
	}
	if token.MatchString(g.service.Log()) {
		t.Error("a token is in the log of assayd")
	}
}
