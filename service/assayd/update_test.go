package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/osvtest"
	"assay/verdict/hint"
)

// assayd runs a command in this process and returns its output.
func assayd(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	d := &daemon{stdout: &out, stderr: &errs, now: time.Now}
	err = d.run(t.Context(), append([]string{"assayd"}, args...))
	return out.String(), errs.String(), err
}

func must(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	stdout, stderr, err := assayd(t, args...)
	if err != nil {
		t.Fatalf("assayd %q: %v\n%s", args, err, stderr)
	}
	return stdout
}

// mirror makes a folder in the layout of the public bucket.
func mirror(t *testing.T, ecosystems ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := osvtest.WriteMirror(dir, ecosystems...); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestUpdate(t *testing.T) {
	from, data := mirror(t, "CRAN", "Hackage"), t.TempDir()
	got := must(t, "update", "--mirror", from, "--data", data)
	if want := "osv:CRAN: 14 new, 0 changed, 0 removed, 0 rejected\nosv:Hackage: 35 new, 0 changed, 0 removed, 0 rejected\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	// A failure is printed and stored, and status shows it with the data still served.
	if err := os.WriteFile(filepath.Join(from, "CRAN", "modified_id.csv"), []byte("<html>\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, stderr, err := assayd(t, "update", "--mirror", from, "--data", data)
	if err == nil || !strings.Contains(err.Error(), "1 of 2 sources failed") ||
		got != "osv:Hackage: 0 new, 0 changed, 0 removed, 0 rejected\n" || !strings.HasPrefix(stderr, "assayd: osv:CRAN: failed: ") {
		t.Errorf("%v, stdout %q, stderr %q", err, got, stderr)
	}
	if strings.ContainsAny(stderr, "\r\x1b") {
		t.Errorf("progress without a terminal: %q", stderr)
	}
	status := must(t, "status", "--data", data)
	for _, want := range []string{"advisories     49\n", "\nosv:CRAN     14 ", `"CRAN/modified_id.csv": a web page is in the place of the file`, "\nosv:Hackage  35 "} {
		if !strings.Contains(status, want) {
			t.Errorf("status lacks %q:\n%s", want, status)
		}
	}
	// An ecosystem that the bucket no longer has fails too, until it is dropped.
	if err := os.WriteFile(filepath.Join(from, "ecosystems.txt"), []byte("Hackage\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(from, "CRAN")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := assayd(t, "update", "--mirror", from, "--data", data); err == nil || !strings.Contains(err.Error(), "1 of 2 sources failed") {
		t.Errorf("%v", err)
	}
	if got := must(t, "update", "--drop", "CRAN", "--data", data); got != "osv:CRAN: 14 removed\n" {
		t.Errorf("%q", got)
	}
	must(t, "update", "--mirror", from, "--data", data)
	if status := must(t, "status", "--data", data); strings.Contains(status, "CRAN") {
		t.Errorf("status lists the dropped source:\n%s", status)
	}
	for _, args := range [][]string{{"--drop", "npm"}, {"--mirror", from, "--ecosystem", "npm"}, {"--mirror", "ftp://x"}, {"--mirror", from, "npm"}} {
		if _, _, err := assayd(t, append([]string{"update", "--data", data}, args...)...); err == nil {
			t.Errorf("%q: no error", args)
		} else if hint.Of(err) == "" {
			t.Errorf("%q: %v has no hint", args, err)
		}
	}
}

// An update stops if the bucket is unreachable, and stores that for its sources.
func TestUpdateUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // it accepts connections and does not answer
	data := t.TempDir()
	must(t, "update", "--mirror", mirror(t, "CRAN"), "--data", data)
	_, _, err = assayd(t, "update", "--mirror", "http://"+ln.Addr().String(), "--connect-timeout", "50ms", "--data", data)
	if err == nil || !strings.Contains(err.Error(), "did not answer within 50ms") {
		t.Errorf("%v", err)
	}
	if status := must(t, "status", "--data", data); !strings.Contains(status, "did not answer within 50ms") {
		t.Errorf("%s", status)
	}
}

// A folder with the catalogs in the form of their publishers.
func catalogs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"known_exploited_vulnerabilities.json": `{"catalogVersion":"1","dateReleased":"2026-11-01T00:00:00Z","count":1,"vulnerabilities":[{"cveID":"CVE-2021-44228","dateAdded":"2021-12-10"}]}`,
		"epss_scores-current.csv.gz":           "#model_version:v1,score_date:2026-11-01T00:00:00Z\ncve,epss,percentile\nCVE-2021-44228,0.9,0.9\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A source that answers for names is asked for those in a file, and its data is not passed
// on.
func TestUpdateNames(t *testing.T) {
	from, data := t.TempDir(), t.TempDir()
	answer := `{"error":0,"data":{"plugin":"p","vulnerability":[{"uuid":"1","operator":{"max_version":"2","max_operator":"lt"},"impact":[],"source":[]}]}}`
	names := filepath.Join(data, "names")
	if err := errors.Join(os.Mkdir(filepath.Join(from, "plugin"), 0o700), os.WriteFile(filepath.Join(from, "plugin", "p"), []byte(answer), 0o600),
		os.WriteFile(names, []byte("# of the images\n\nplugin/p\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	update := []string{"update", "--data", data, "--source", "wpvulnerability", "--mirror", "wpvulnerability=" + from}
	if got := must(t, append(update, "--names", "wpvulnerability="+names)...); got != "wpvulnerability: 1 new, 0 changed, 0 removed, 0 rejected\n" {
		t.Errorf("%q", got)
	}
	if _, _, err := assayd(t, update...); err == nil || !strings.Contains(hint.Of(err), "--names wpvulnerability=FILE") {
		t.Errorf("without the file: %v, hint %q", err, hint.Of(err))
	}
	key := filepath.Join(data, "key")
	must(t, "bundle", "key", key)
	_, _, err := assayd(t, "bundle", "export", "--key", key, "--out", filepath.Join(data, "bundle"), "--data", data)
	if err == nil || !strings.Contains(err.Error(), "there is nothing to export") {
		t.Errorf("export: %v", err)
	}
}

// Each source has its own mirror, and only the named ones are updated.
func TestUpdateSources(t *testing.T) {
	from, data := catalogs(t), t.TempDir()
	update := []string{"update", "--data", data, "--mirror", "kev=" + from, "--mirror", "epss=" + from, "--source", "kev"}
	stdout, stderr, err := assayd(t, append(update, "--source", "epss")...)
	if err != nil || stdout != "kev: 0 new, 1 changed, 0 removed, 0 rejected\nepss: 0 new, 1 changed, 0 removed, 0 rejected\n" {
		t.Errorf("%q, %v", stdout, err)
	}
	if !strings.Contains(stderr, "assayd: kev is new: the first fetch takes about a download of 2 MiB, 2 MiB on the disk, 16 MiB of memory and 10 s\n") {
		t.Errorf("it does not say beforehand what it takes: %q", stderr)
	}
	if got := must(t, update...); got != "kev: 0 new, 0 changed, 0 removed, 0 rejected\n" {
		t.Errorf("%q", got)
	}
	var status struct {
		Sources []struct {
			Name, Licence, Contributes string
			Records                    int
			MayPassOn                  bool `json:"may_pass_on"`
		}
	}
	if err := json.Unmarshal([]byte(must(t, "status", "--format", "json", "--data", data)), &status); err != nil {
		t.Fatal(err)
	}
	if s := status.Sources; len(s) != 2 || s[1].Name != "kev" || s[1].Licence != "CC0-1.0" || s[1].Contributes != "enrichment" || s[1].Records != 1 || !s[1].MayPassOn {
		t.Errorf("%+v", s)
	}
	// The catalog arrives in another store in a bundle, with its age.
	key, file, other := filepath.Join(data, "key"), filepath.Join(data, "bundle"), t.TempDir()
	public := strings.TrimSpace(must(t, "bundle", "key", key))
	must(t, "bundle", "export", "--key", key, "--out", file, "--data", data)
	if got := must(t, "bundle", "import", "--trust", public, file, "--data", other); got != "epss: 0 new, 1 changed, 0 removed, 0 rejected\nkev: 0 new, 1 changed, 0 removed, 0 rejected\n" {
		t.Errorf("%q", got)
	}
	if got := must(t, "status", "--data", other); !strings.Contains(got, "\nkev     1 ") {
		t.Errorf("%s", got)
	}
	if got := must(t, "update", "--drop", "kev", "--data", data); got != "kev: 1 removed\n" {
		t.Errorf("%q", got)
	}
	if got := must(t, "status", "--data", data); strings.Contains(got, "\nkev ") || !strings.Contains(got, "\nepss ") {
		t.Errorf("%s", got)
	}
	empty := filepath.Join(data, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"update", "--source", "other"}, {"update", "--mirror", "kev="}, {"update", "--key", "kev=" + empty}, {"update", "--key", empty},
		{"update", "--key", "nvd=" + empty}, {"update", "--accept-shrink", "other"}, {"update", "--source", "kev", "--ecosystem", "npm"},
		{"update", "--source", "wordfence"}, {"update", "--source", "wpvulnerability"}, {"update", "--names", "kev=" + empty}, {"update", "--names", empty},
		{"update", "--source", "wpvulnerability", "--names", "wpvulnerability=" + empty}, {"update", "--names", "wpvulnerability=" + empty + "x"},
		{"update", "--drop", "osv"}, {"status", "--format", "xml"},
		{"bundle", "export"}, {"bundle", "export", "--key", empty, "--out", filepath.Join(data, "x")}, {"bundle", "export", "--key", key, "--out", file},
		{"bundle", "import", file}, {"bundle", "import", "--trust", empty, file}, {"bundle", "import", "--trust", public, key}, {"bundle", "key", key},
	} {
		if args[0] != "bundle" || args[1] != "key" {
			args = append(args, "--data", data)
		}
		if _, _, err := assayd(t, args...); err == nil || hint.Of(err) == "" {
			t.Errorf("%q: %v, without a hint", args, err)
		}
	}
}

// A page in the place of a file, such as that of a proxy, is named as such, with a hint.
func TestUpdatePage(t *testing.T) {
	from := t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "known_exploited_vulnerabilities.json"), []byte("<!DOCTYPE html><html>Sign in</html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, err := assayd(t, "update", "--source", "kev", "--mirror", "kev="+from, "--data", t.TempDir())
	const want = "assayd: kev: failed: \"known_exploited_vulnerabilities.json\": a web page is in the place of the file\n" +
		"hint: check the address of the mirror, and whether a proxy asks to sign in\n"
	if err == nil || !strings.HasSuffix(stderr, want) {
		t.Errorf("%q, %v, want %q", stderr, err, want)
	}
}

// --mirror NAME=WHERE selects the source NAME, which may be one that is not a default source.
func TestUpdateMirrored(t *testing.T) {
	from, data := catalogs(t), t.TempDir()
	update := []string{"update", "--data", data, "--mirror", mirror(t, "CRAN"), "--mirror", "kev=" + from, "--mirror", "nvd=" + from}
	stdout, stderr, err := assayd(t, update...)
	if want := "osv:CRAN: 14 new, 0 changed, 0 removed, 0 rejected\nkev: 0 new, 1 changed, 0 removed, 0 rejected\n"; err == nil || stdout != want {
		t.Errorf("%q, %v, want %q", stdout, err, want)
	}
	for _, want := range []string{"assayd: nvd: failed: ", fmt.Sprintf(": not found in %q\n", from), "\nhint: docs/feeds.md lists the files of a mirror\n"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is not in %q", want, stderr)
		}
	}
	if strings.Contains(stderr, "epss") {
		t.Errorf("a source without a mirror is fetched: %q", stderr)
	}
	// A source that was dropped stays out until --source names it.
	must(t, "update", "--drop", "kev", "--data", data)
	if stdout, _, _ := assayd(t, update...); strings.Contains(stdout, "kev") {
		t.Errorf("%q", stdout)
	}
}

// --update-every has an interval for all sources, and for some of them.
func TestUpdateIntervals(t *testing.T) {
	for _, tt := range []struct {
		values string
		all    time.Duration
		nvd    time.Duration
		ok     bool
	}{
		{"", 6 * time.Hour, -1, true},
		{"1h", time.Hour, -1, true},
		{"0", 0, -1, true},
		{"1h nvd=2h", time.Hour, 2 * time.Hour, true},
		{"nvd=0", 6 * time.Hour, 0, true},
		{"x", 0, -1, false}, {"-1h", 0, -1, false}, {"other=1h", 0, -1, false}, {"nvd=", 0, -1, false},
	} {
		all, of, err := updateIntervals(strings.Fields(tt.values))
		if !tt.ok {
			if err == nil {
				t.Errorf("%q: no error", tt.values)
			}
			continue
		}
		nvd, ok := of["nvd"]
		if !ok {
			nvd = -1
		}
		if err != nil || all != tt.all || nvd != tt.nvd {
			t.Errorf("%q: %v, %v, %v", tt.values, all, of, err)
		}
	}
}

func TestImportLists(t *testing.T) {
	data := t.TempDir()
	kev := filepath.Join(testkit.Path(t, "feeds", "kev"), "known_exploited_vulnerabilities")
	if err := os.WriteFile(filepath.Join(data, "epss"), []byte("cve,epss\nCVE-2021-44228,0.94\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := must(t, "import", kev+".json", kev+".csv", filepath.Join(data, "epss"), "--data", data)
	for _, want := range []string{".json: KEV of 1404 vulnerabilities, imported\n", ".csv: KEV of 1404 vulnerabilities, unchanged\n", "epss: EPSS of 1 vulnerabilities, imported\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	bad := filepath.Join(data, "bad.json")
	if err := os.WriteFile(bad, []byte(`{"catalogVersion":"1","count":2,"vulnerabilities":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := assayd(t, "import", bad, "--data", data); err == nil || !strings.Contains(err.Error(), "KEV: ") {
		t.Errorf("%v", err)
	}
	if status := must(t, "status", "--data", data); !strings.Contains(status, "\nkev     1404 ") || !strings.Contains(status, "never: run assayd update") {
		t.Errorf("%s", status)
	}
}

// A server that updates at intervals still serves its data when the bucket is gone, and
// logs that.
func TestServeUpdates(t *testing.T) {
	from, data := mirror(t, "CRAN"), t.TempDir()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	log := &lockedBuffer{}
	d := &daemon{stdout: log, stderr: log, now: time.Now}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- d.run(ctx, []string{"assayd", "serve", "--data", data, "--listen", addr,
			"--public-url", "http://" + addr, "--mirror", from, "--update-every", "100ms"})
	}()
	records := func() int {
		resp, err := http.Get("http://" + addr + "/healthz")
		if err != nil {
			return -1
		}
		defer resp.Body.Close()
		var health struct{ Records int }
		if json.NewDecoder(resp.Body).Decode(&health) != nil {
			return -1
		}
		return health.Records
	}
	wait := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
			select {
			case err := <-done:
				t.Fatalf("assayd ended: %v\n%s", err, log)
			default:
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s\n%s", what, log)
			}
		}
	}
	wait("no data is served", func() bool { return records() == 14 })
	if err := os.Remove(filepath.Join(from, "CRAN", "modified_id.csv")); err != nil {
		t.Fatal(err)
	}
	wait("no error is logged", func() bool { return strings.Contains(log.String(), "modified_id.csv") })
	if n := records(); n != 14 {
		t.Errorf("%d records are served", n)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("%v\n%s", err, log)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
