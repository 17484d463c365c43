package builders

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/assayd"
)

var update = flag.Bool("update", false, "rewrite the logs in testdata")

// TestLog keeps the logs of real builds, of Docker's classic builder and its BuildKit, in
// testdata/log. The image has a few files and the advisories are made up, so that the log is
// the same each time.
func TestLog(t *testing.T) {
	if os.Geteuid() != 0 {
		testkit.Missing(t, "root: an engine is started")
	}
	for _, tool := range []string{"dockerd", "docker", "debootstrap", runc} {
		if _, err := exec.LookPath(tool); err != nil {
			testkit.Missing(t, "%s: deploy/needs.sh installs it", tool)
		}
	}
	dir, err := os.MkdirTemp("", "assay") // short, for the path of the engine's socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	r := &rig{project: testkit.Root(t), dir: dir}
	r.programs(t)
	config := assayd.Config{Binary: filepath.Join(dir, "assayd-bin"), Data: filepath.Join(dir, "assayd"), Clients: dir}
	if err := config.Import(t.Context(), madeUp(t)); err != nil {
		t.Fatal(err)
	}
	if r.token, err = config.NewToken(t.Context(), "log"); err != nil {
		t.Fatal(err)
	}
	server, err := config.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	r.docker = startDocker(t, dir, "/etc/ssl/certs/ca-certificates.crt")
	builders := []builder{classic{r.docker}, debianBuildKit{r.docker}}

	t.Run("fixes", func(t *testing.T) { testFixes(t, r, debianBuildKit{r.docker}, server.URL) })

	const buster = "ID=debian\nVERSION_ID=\"10\"\nVERSION_CODENAME=buster\nPRETTY_NAME=\"Debian GNU/Linux 10 (buster)\"\n"
	accept := func(expires string) map[string]string {
		return map[string]string{"ignore.yaml": "exceptions:\n  - id: CVE-2025-1001\n    reason: not reachable\n    by: security team\n    expires: " + expires + "\n"}
	}
	const ratchet = "all:\n  ratchet: {against: main, grace: 14d}\n"
	// policies are set before the cases of these names, and references are packages that passed
	// as main before.
	policies := map[string]string{
		"policy of the service": "all:\n  mandatory: {fail-on: high}\n  ignore-files: refused\n  forbidden:\n    - {package: libssl3, reason: use openssl 3.5, by: security team}\n",
		"ratchet":               ratchet,
		"ratchet passing":       ratchet,
		"ratchet overdue":       ratchet,
		"ratchet without main":  ratchet,
	}
	policy := "all:\n" // which is like none
	references := map[string][]string{
		"ratchet":         {"curl 7.88.1-10+deb12u5", "bind9 1:9.18.19-1"},
		"ratchet passing": {"curl 7.88.1-10+deb12u5"},
		"ratchet overdue": {"bind9 1:9.18.19-1"},
	}
	for _, tt := range []struct {
		name  string
		files map[string]string // beside those of bookworm; an empty text removes one
		flags []string
		code  int
		want  string // one of the last ten lines has it
	}{
		{"passing", packages("curl 7.88.1-10+deb12u14"), nil, 0, "PASS, exit code 0: 2 packages evaluated, no findings"},
		{"failing", packages("curl 7.88.1-10+deb12u5", "libssl3 3.0.9-1"), nil, 4, "RUN apt-get update && apt-get install -y --only-upgrade curl libssl3"},
		{"nothing fixable", packages("perl-base 5.36.0-7"), nil, 0, "PASS, exit code 0: 2 packages evaluated, one finding, which does not fail"},
		{"nothing fixable fails", packages("perl-base 5.36.0-7"), []string{"--fail-on-unfixed"}, 4, "no fix exists for perl-base"},
		{"300 findings", packages(thirty()...), nil, 4, "RUN apt-get update && apt-get -y --with-new-pkgs upgrade"},
		{"accepted", join(packages("curl 7.88.1-10+deb12u5"), accept("2099-01-31")), []string{"--ignore-file", "/ignore.yaml"}, 0, "PASS, exit code 0"},
		{"expired", join(packages("curl 7.88.1-10+deb12u5"), accept("2026-01-31")), []string{"--ignore-file", "/ignore.yaml"}, 4, "FAIL, exit code 4"},
		{"in its grace", packages("curl 7.88.1-10+deb12u5"), []string{"--grace", "3650d"}, 0, "PASS, exit code 0"},
		{"service unreachable", packages("curl 7.88.1-10+deb12u5"), []string{"--server", "http://127.0.0.1:1", "--timeout", "2s", "--on-error", "warn"}, 0,
			"THIS IMAGE WAS NOT SCANNED, yet THE BUILD GOES ON (--on-error warn)"},
		{"data too old", packages("curl 7.88.1-10+deb12u5"), []string{"--max-age", "1s"}, 5, "UNTRUSTED, exit code 5"},
		{"end of life", join(packages("curl 7.64.0-4"), map[string]string{"etc/os-release": buster}), []string{"--fail-on-eol"}, 4, "has had no free security support since"},
		{"unreadable exceptions", join(packages("curl 7.88.1-10+deb12u5"), map[string]string{"ignore.yaml": "exceptions:\n  - id: CVE-2025-1001\n"}),
			[]string{"--ignore-file", "/ignore.yaml"}, 5, "the exception has no reason"},
		{"unused exception", join(packages("curl 7.88.1-10+deb12u5"), map[string]string{"ignore.yaml": "exceptions:\n  - id: CVE-2025-9999\n    reason: not reachable\n"}),
			[]string{"--ignore-file", "/ignore.yaml"}, 4, "1 of 1 exception of /ignore.yaml matched no finding: CVE-2025-9999"},
		{"cached", packages("curl 7.88.1-10+deb12u14"), nil, 0, ""},
		{"policy of the service", join(packages("curl 7.88.1-10+deb12u5", "libssl3 3.0.9-1"), accept("2099-01-31")),
			[]string{"--ignore-file", "/ignore.yaml", "--fail-on", "none"}, 4, "not taken because of the policy: --fail-on=none, --ignore-file=/ignore.yaml"},
		{"ratchet", packages("curl 7.88.1-10+deb12u5", "bind9 1:9.18.19-1", "libssl3 3.0.9-1"), []string{"--project", "ratchet", "--ref", "topic"}, 4,
			"1 introduced by this build, 2 known in main: 1 overdue since DAY, 1 in their grace"},
		{"ratchet passing", packages("curl 7.88.1-10+deb12u5"), []string{"--project", "passing", "--ref", "topic"}, 0, "PASS, exit code 0"},
		{"ratchet overdue", packages("bind9 1:9.18.19-1"), []string{"--project", "overdue", "--ref", "topic"}, 4, "1 overdue since DAY"},
		{"ratchet without main", packages("curl 7.88.1-10+deb12u5"), []string{"--project", "without", "--ref", "topic"}, 4, "nothing to compare with in main"},
		{"nothing recognised", map[string]string{"etc/os-release": "", "var/lib/dpkg/status": "", "etc/motd": "hello\n"}, nil, 5, "UNTRUSTED, exit code 5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			context := t.TempDir()
			writeRoot(t, filepath.Join(context, "root"), join(bookworm, tt.files))
			if text := cmp.Or(policies[tt.name], "all:\n"); text != policy {
				policy = text
				file := filepath.Join(t.TempDir(), "policy.yaml")
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				if _, err := config.Run(t.Context(), "policy", "set", file); err != nil {
					t.Fatal(err)
				}
			}
			if passed := references[tt.name]; passed != nil {
				root := t.TempDir()
				writeRoot(t, root, join(bookworm, packages(passed...)))
				must(t, nil, nil, filepath.Join(dir, "assay"), append([]string{r.token, "--server", server.URL, "--root", root, "--fail-on", "none"},
					slices.Concat(tt.flags, []string{"--ref", "main"})...)...)
			}
			must(t, nil, nil, "/bin/cp", filepath.Join(dir, "assay"), context)
			command, err := json.Marshal(append([]string{"/assay", "--server", server.URL}, tt.flags...))
			if err != nil {
				t.Fatal(err)
			}
			j := job{context: context, args: map[string]string{"ASSAY_TOKEN": r.token}, noCache: tt.name != "cached",
				dockerfile: "FROM scratch\nCOPY root /\nCOPY assay /assay\nARG ASSAY_TOKEN\nRUN " + string(command) + "\n"}
			for _, b := range builders {
				got := b.build(t, j)
				if !j.noCache {
					got = b.build(t, j)
				}
				if tt.code != 0 {
					wantFailed(t, b, got, tt.code)
				} else if got.code != 0 {
					t.Fatalf("%s: exit code %d\n%s", b.name(), got.code, got.log)
				}
				transcript := stable(got.log, server.URL)
				step := stepOf(transcript)
				if tail := last(step, 10); !strings.Contains(tail, tt.want) {
					t.Errorf("%s: %q is not in the last ten lines:\n%s", b.name(), tt.want, tail)
				}
				if n := len(step); n > 150<<10 {
					t.Errorf("%s: the log has %d bytes", b.name(), n)
				}
				sameLog(t, strings.ReplaceAll(tt.name, " ", "-")+"."+strings.Fields(b.name())[0]+".txt", transcript)
			}
		})
	}
}

// writeRoot writes files below a folder. Those without a text are left out.
func writeRoot(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for path, text := range files {
		if text == "" {
			continue
		}
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// testFixes runs the commands of the log in a Debian and scans again.
func testFixes(t *testing.T, r *rig, b debianBuildKit, server string) {
	r.load(t, r.archive(t, slim(t, r.project)), base)
	context := t.TempDir()
	must(t, nil, nil, "/bin/cp", filepath.Join(r.dir, "assay"), context)
	for _, tt := range []struct{ name, before, want string }{
		{"an upgrade", "", "apt-get install -y --only-upgrade perl-base"},
		{"a package on hold", "RUN apt-mark hold perl-base\n", "--allow-change-held-packages perl-base"},
		{"from another repository", "RUN find /etc/apt -name '*.list' | xargs sed -i /security/d\n", "RUN echo 'deb http://deb.debian.org/debian-security bookworm-security main' \\\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			build := func(fix string) outcome {
				return b.build(t, job{context: context, args: map[string]string{"ASSAY_TOKEN": r.token},
					dockerfile: "FROM " + base + "\n" + tt.before + fix + "COPY assay /assay\nARG ASSAY_TOKEN\nRUN [\"/assay\", \"--server\", \"" + server + "\"]\n"})
			}
			got := build("")
			wantFailed(t, b, got, 4)
			fix := fixLines.FindString(b.step(got.log))
			if !strings.Contains(fix, tt.want) {
				t.Fatalf("the fix is %q, want %q", fix, tt.want)
			}
			if got = build(fix); got.code != 0 || !strings.Contains(got.log, "PASS, exit code 0") {
				t.Errorf("after the fix %q: exit code %d\n%s", fix, got.code, last(got.log, 40))
			}
		})
	}
}

// bookworm has the files of a small Debian with apt.
var bookworm = map[string]string{
	"etc/os-release":       "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
	"etc/apt/sources.list": "deb http://deb.debian.org/debian bookworm main\ndeb http://deb.debian.org/debian-security bookworm-security main\n",
}

// packages returns the package database with apt and packages given as "name version".
func packages(all ...string) map[string]string {
	var b strings.Builder
	for _, text := range append([]string{"apt 2.6.1"}, all...) {
		name, version, _ := strings.Cut(text, " ")
		fmt.Fprintf(&b, "Package: %s\nStatus: install ok installed\nMaintainer: M <m@debian.org>\nArchitecture: amd64\nVersion: %s\n\n", name, version)
	}
	return map[string]string{"var/lib/dpkg/status": b.String()}
}

func join(a, b map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range []map[string]string{a, b} {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

// thirty returns 30 packages, which have 10 vulnerabilities each.
func thirty() (all []string) {
	for i := range 30 {
		all = append(all, fmt.Sprintf("lib%02d 1.0-1", i))
	}
	return all
}

// madeUp writes advisories and returns their folder.
func madeUp(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(id, cve, ecosystem, pkg, fixed, vector string) {
		events := `{"introduced":"0"}`
		if fixed != "" {
			events += `,{"fixed":"` + fixed + `"}`
		}
		record := `{"schema_version":"1.7.0","id":"` + id + `","upstream":["` + cve + `"],"published":"2025-01-02T03:04:05Z","modified":"2025-02-03T04:05:06Z",` +
			`"severity":[{"type":"CVSS_V3","score":"` + vector + `"}],"affected":[{"package":{"ecosystem":"` + ecosystem + `","name":"` + pkg + `"},` +
			`"ranges":[{"type":"ECOSYSTEM","events":[` + events + `]}]}]}`
		if err := os.WriteFile(filepath.Join(dir, id+".json"), []byte(record), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	add := func(cve, ecosystem, pkg, fixed, vector string) {
		write("DEBIAN-"+cve, cve, ecosystem, pkg, fixed, vector)
	}
	const (
		critical = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
		high     = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"
	)
	add("CVE-2025-1001", "Debian:12", "curl", "7.88.1-10+deb12u14", critical)
	add("CVE-2025-1002", "Debian:12", "libssl3", "3.0.11-1~deb12u2", high)
	add("CVE-2025-1005", "Debian:12", "perl", "5.36.0-7+deb12u4", high) // of a real Debian, in bookworm-security
	add("CVE-2025-1003", "Debian:12", "perl-base", "", high)
	write("DSA-9001-1", "CVE-2025-1006", "Debian:12", "bind9", "1:9.18.24-1", high) // published long ago
	add("CVE-2025-1004", "Debian:10", "bash", "5.0-5", high)
	for i := range 300 {
		add(fmt.Sprintf("CVE-2025-%d", 20000+i), "Debian:12", fmt.Sprintf("lib%02d", i%30), "1.0-2", high)
	}
	return dir
}

// The parts of a transcript that differ each time.
var differing = []struct {
	part *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`scan=[a-z0-9]{16}`), "scan=SCAN"},
	{regexp.MustCompile(`/scans/[a-z0-9]{16}`), "/scans/SCAN"},
	{regexp.MustCompile(`[a-z2-7]{16} of main`), "SCAN of main"},
	{regexp.MustCompile(`version(\s+(?:#\d+ \d+\.\d+\s+)?)\d line`), "version${1}N line"}, // a line may end between them
	{regexp.MustCompile(`snapshot=\w+`), "snapshot=SNAPSHOT"},
	{regexp.MustCompile(`updated [a-z0-9 ]+ ago`), "updated TIME ago"},
	{regexp.MustCompile(`assay_[0-9A-Za-z]+`), "TOKEN"},
	{regexp.MustCompile(`(?s)import are (less|\d)[^;]* old, and .*?has a fix`), "import are TOO OLD; 1 finding has a fix"}, // its lines break elsewhere
	{regexp.MustCompile(`(?m)^#\d+ \d+\.\d+ `), "#6 0.000 "},
	{regexp.MustCompile(`(?m)^#\d+ (ERROR|CACHED|\[3/3\])`), "#6 $1"},
	{regexp.MustCompile(`\b\d+\.\d+s\b`), "0.0s"},
	{regexp.MustCompile(`sha256:[0-9a-f]{64}`), "sha256:DIGEST"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "ID"},
	{regexp.MustCompile(`\b20\d\d-\d\d-\d\dT[0-9:.]+Z\b`), "TIME"},
	{regexp.MustCompile(`transferring (context|dockerfile): [0-9.]+[kMG]?B`), "transferring $1: SIZE"},
	{regexp.MustCompile(`Sending build context to Docker daemon  [0-9.]+[kMG]?B\s?`), ""},
	{regexp.MustCompile("\x1b\\[\\d*m"), ""},
	{regexp.MustCompile(`\r`), "\n"},
	{regexp.MustCompile(`(?m)^#\d+ (writing image|naming|exporting|transferring|DONE|resolve|\[internal\]|sha256).*\n`), ""},
	{regexp.MustCompile(`(grace of|since|on|until) 20\d\d-\d\d-\d\d`), "$1 DAY"},
}

// stable returns a transcript without what differs each time.
func stable(log, server string) string {
	log = strings.ReplaceAll(log, server, "https://assay.example.com")
	for _, d := range differing {
		log = d.part.ReplaceAllString(log, d.by)
	}
	for _, begin := range []string{"Step 5/5", "#6 [3/3]"} { // the steps before are not interesting
		if i := strings.Index(log, begin); i >= 0 {
			log = log[i:]
		}
	}
	return regexp.MustCompile(`\n{3,}`).ReplaceAllString(log, "\n\n")
}

// stepOf returns what the last step printed, from a transcript of either builder.
func stepOf(transcript string) string {
	if _, step, found := strings.Cut(transcript, "Step 5/5"); found {
		_, step, _ = strings.Cut(step, "Running in ID\n")
		for _, end := range []string{"The command '", "Removing intermediate", " ---> ID"} {
			step, _, _ = strings.Cut(step, end)
		}
		return step
	}
	return buildkitStep(transcript)
}

// sameLog compares a log with the one that people have looked at.
func sameLog(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "log", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: -update rewrites it; got:\n%s\nwant:\n%s", path, got, want)
	}
}
