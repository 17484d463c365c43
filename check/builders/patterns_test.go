package builders

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/remote/slot"
	"assay/verdict"
)

// patterns are the files of docs/patterns, and what they need to be built.
type patterns struct {
	*rig
	context string // holds a program, app, and the client
	digest  string // of the client of this version
}

func newPatterns(t *testing.T, r *rig) patterns {
	t.Helper()
	p := patterns{rig: r, context: t.TempDir()}
	must(t, nil, nil, "/bin/cp", filepath.Join(r.dir, "assayd-bin"), filepath.Join(p.context, "app"))
	must(t, nil, nil, "/bin/cp", r.client(t), p.context)
	sum := r.get(t, r.service.URL+"/v"+version+"/linux/amd64/assay.sha256")
	p.digest, _, _ = strings.Cut(string(sum), " ")
	return p
}

// noDigest is the one in checksum.Dockerfile.
var noDigest = strings.Repeat("0", 64)

// text is a pattern as somebody would paste it: with the address of the service,
// and the digest of its client.
func (p patterns) text(t *testing.T, file string) string {
	t.Helper()
	text, server := p.read(t, "docs", "patterns", file), p.service.URL
	if file == "private-ca.Dockerfile" {
		server = p.private
	}
	text = replaced(t, text, "https://assay.example.com", server)
	if file == "checksum.Dockerfile" {
		text = replaced(t, text, noDigest, p.digest)
	}
	return text
}

// job is the build that the pattern's text asks for.
func (p patterns) job(text string) job {
	j := job{dockerfile: text, context: p.context, args: map[string]string{}}
	switch {
	case strings.Contains(text, "\nARG token\n"):
		j.args["token"] = p.token
	case strings.Contains(text, "\nARG ASSAY_TOKEN\n"):
		j.args["ASSAY_TOKEN"] = p.token
	default:
		j.secret = p.secret
	}
	if strings.Contains(text, "\nARG IMAGE\n") {
		j.args["IMAGE"] = base
	}
	if strings.Contains(text, dayLine) {
		j.args["day"] = "2026-01-31"
	}
	return j
}

// patched turns a job to the images without a known vulnerability.
func (j job) patched() job {
	swap := strings.NewReplacer(base, patched, distroless, distrolessPatched)
	j.dockerfile = swap.Replace(j.dockerfile)
	args := map[string]string{}
	for name, value := range j.args {
		args[name] = swap.Replace(value)
	}
	j.args = args
	return j
}

// try builds a pattern on a vulnerable base, which must fail with the findings that dpkg
// computes, and on a patched base, which must pass. If the builder cannot build the
// pattern, try returns its message.
func (p patterns) try(t *testing.T, b builder, file string) (refusal string) {
	t.Helper()
	if strings.HasSuffix(file, ".sh") {
		return p.script(t, b, file)
	}
	j := p.job(p.text(t, file))
	j.noCache = file == "multi-platform.Dockerfile" // its last step is that of bind.Dockerfile
	got := b.build(t, j)
	code := 4
	if file == "scratch.Dockerfile" {
		code = 5 // nothing that has advisories is in it
	}
	if exit, words := b.failed(code); got.code != exit || !strings.Contains(got.log, words) {
		return got.log
	}
	if code == 5 {
		if v := p.verdictOf(t, file, got.log); v.Decision.Outcome != verdict.Untrusted {
			t.Errorf("outcome %s", v.Decision.Outcome)
		}
		return ""
	}
	wantFindings(t, b, got)
	want := p.want
	if file == "distroless.Dockerfile" {
		want = p.wantDistroless
	}
	if file != "microscanner.Dockerfile" { // which installs packages
		sameFindings(t, p.verdictOf(t, file, got.log), want)
	}

	if _, first := b.(classic); file == slow[0] && !(first && p.thorough) {
		return "" // apt takes as long as all other patterns
	}
	after := b.build(t, j.patched())
	if after.code != 0 {
		t.Errorf("on the patched base: exit code %d\n%s", after.code, last(after.log, 30))
		return ""
	}
	v := p.verdictOf(t, file, after.log)
	if v.Decision.Outcome != verdict.Pass || v.Counts.Failing != 0 {
		t.Errorf("on the patched base: outcome %s, %d failing", v.Decision.Outcome, v.Counts.Failing)
	}
	switch file {
	case "distroless.Dockerfile":
		sameFindings(t, v, map[finding]bool{})
	case "microscanner.Dockerfile":
	default:
		sameFindings(t, v, p.wantMended)
	}
	switch file {
	case "report.Dockerfile":
		return p.report(t, b, j)
	case "context.Dockerfile", "registry.Dockerfile":
		p.daily(t, b, j.patched())
	case "checksum.Dockerfile":
		j.dockerfile = replaced(t, j.dockerfile, p.digest, noDigest)
		if got := b.build(t, j); got.code == 0 || !strings.Contains(got.log, "digest mismatch") {
			t.Errorf("another digest: exit code %d\n%s", got.code, last(got.log, 10))
		}
	}
	return ""
}

// dayLine is in the patterns whose build does not fetch the client.
const dayLine = "\nARG day\n"

// daily builds a pattern that passes three times: on the same day, when its scan is
// cached; on the next day, when it is not; and with a client whose service cannot be
// reached, when the build goes on and the log says that nothing was scanned.
func (p patterns) daily(t *testing.T, b builder, j job) {
	t.Helper()
	const scanned = "assay: verdict=pass"
	caches := true
	switch l := b.(type) {
	case buildah: // has no cache by default, and with --layers the same as podman
		caches = false
	case podman:
		b = l.caching()
		mustBuild(t, b, j)
	}
	if log := mustBuild(t, b, j); caches && strings.Contains(log, scanned) {
		t.Errorf("on the same day the scan is not cached:\n%s", last(log, 30))
	}
	j.args["day"] = "2026-02-01"
	if log := mustBuild(t, b, j); !strings.Contains(log, scanned) {
		t.Errorf("on another day there is no scan:\n%s", last(log, 30))
	}
	if !strings.Contains(j.dockerfile, "\nCOPY assay /\n") {
		return
	}
	// Its certificate is one that this client does not know, which ends the scan at
	// once: nothing is waited for.
	client, err := os.ReadFile(filepath.Join(p.dir, "assay"))
	if err != nil {
		t.Fatal(err)
	}
	if client, err = slot.Fill(client, slot.Payload{Server: p.private}); err != nil {
		t.Fatal(err)
	}
	j.context = t.TempDir()
	write(t, filepath.Join(j.context, "assay"), string(client))
	log := mustBuild(t, b, j)
	for _, want := range []string{"assay: verdict=error code=1 exit=0", "THIS IMAGE WAS NOT SCANNED"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q where the service cannot be reached:\n%s", want, last(log, 30))
		}
	}
}

// verdictOf gets the verdict of a scan from the service that made it.
func (p patterns) verdictOf(t *testing.T, file, log string) verdict.Verdict {
	t.Helper()
	if file == "private-ca.Dockerfile" {
		return p.verdict(t, p.behind.URL, log)
	}
	return p.verdict(t, p.service.URL, log)
}

// report builds the stage with the report, which holds the verdict of an image
// that fails.
func (p patterns) report(t *testing.T, b builder, j job) (refusal string) {
	t.Helper()
	j.target, j.output = "report", t.TempDir()
	got := b.build(t, j)
	if got.code != 0 {
		return got.log
	}
	text, err := os.ReadFile(filepath.Join(j.output, "verdict.json"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := parseVerdict(text)
	if err != nil {
		t.Fatal(err)
	}
	if v.Decision.Outcome != verdict.Fail {
		t.Errorf("outcome %s", v.Decision.Outcome)
	}
	sameFindings(t, v, p.want)
	return ""
}

// A runner can run images, by a command that takes what docker's does.
type runner interface {
	// asDocker writes that command to the folder dir as docker, and returns the
	// environment that it wants.
	asDocker(t *testing.T, dir string) []string
}

// script runs a pattern that is one, on an image of the builder's.
func (p patterns) script(t *testing.T, b builder, file string) (refusal string) {
	t.Helper()
	engine, ok := b.(runner)
	if !ok {
		return b.name() + " only builds"
	}
	dir := t.TempDir()
	env := append(engine.asDocker(t, dir), "PATH="+dir+":"+os.Getenv("PATH"), "ASSAY_TOKEN="+p.token, "TMPDIR="+dir)
	text := strings.ReplaceAll(p.text(t, file), "docker run ", "docker run --network host ")
	got := run(t, env, strings.NewReader(text), "sh", "-s", base)
	if got.code != 4 {
		return got.log
	}
	sameFindings(t, p.verdict(t, p.service.URL, got.log), p.want)
	if got = run(t, env, strings.NewReader(text), "sh", "-s", patched); got.code != 0 {
		t.Errorf("on the patched image: exit code %d\n%s", got.code, got.log)
	}
	left, err := filepath.Glob(filepath.Join(dir, "tmp.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q %v", left, err)
	}
	return ""
}
