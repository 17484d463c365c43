package cli

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/remote/token"
)

// nothing is the verdict for an image without packages.
const nothing = `{"version":1,"scan":"s1","decision":{"outcome":"untrusted","code":5,"reasons":[{"rule":"nothing-recognised","text":"x"}]},` +
	`"findings":[],"counts":{"packages":0,"evaluated":0,"findings":0,"failing":0,"fixable":0,"by_severity":{}},` +
	`"evaluated":[],"system":{},"options":{"fail_on":"high","unrated":"high"},"data":{"records":1}}`

// reportsOf runs a scan whose answer is body, and returns its code, standard output and
// standard error, and the formats that it asked for.
func reportsOf(t *testing.T, body string, flags ...string) (code int, stdout, stderr string, asked []string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query()["report"]
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, body)
	}))
	defer server.Close()
	secret, err := token.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	env := quietEnv(slices.Concat([]string{"--server", server.URL, "-d", t.TempDir()}, flags, []string{secret}), nil, nil)
	var out, log bytes.Buffer
	env.Stdout, env.Stderr = &out, &log
	code = Run(t.Context(), env)
	return code, out.String(), log.String(), asked
}

// withReports returns an answer with reports.
func withReports(t *testing.T, body string, reports map[string]string) string {
	t.Helper()
	b, err := json.Marshal(reports)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(body, "}") + `,"reports":` + string(b) + "}"
}

// Files get the bytes of the service. What goes into the log is ASCII if it is JSON.
func TestReportsAreWritten(t *testing.T) {
	const sarif = `{"a":"é ::error:: assay: x"}` + "\n"
	path := filepath.Join(t.TempDir(), "x.sarif")
	code, stdout, stderr, asked := reportsOf(t, withReports(t, nothing, map[string]string{"sarif": sarif}),
		"--format", "sarif", "--output", "sarif="+path, "--output", "json=/dev/stderr")
	if code != codeUntrusted || !slices.Equal(asked, []string{"sarif"}) {
		t.Errorf("code %d, asked for %q", code, asked)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != sarif {
		t.Errorf("%v: %q", err, b)
	}
	if want := `{"a":"\u00e9 :\u003aerror:\u003a assay\u003a x"}` + "\n"; stdout != want {
		t.Errorf("standard output is %q, want %q", stdout, want)
	}
	if strings.Contains(stderr, "reports") || !strings.Contains(stderr, "verdict=untrusted") {
		t.Errorf("standard error is %s", stderr)
	}
}

// A report that was not sent is an error, and no old file stays in its place. It replaces
// no other code.
func TestMissingReports(t *testing.T) {
	contradiction := strings.Replace(nothing, `"code":5`, `"code":0`, 1)
	for name, body := range map[string]string{
		"older":      nothing,
		"other":      withReports(t, nothing, map[string]string{"html": "x"}),
		"empty":      withReports(t, nothing, map[string]string{"sarif": ""}),
		"distrusted": withReports(t, contradiction, map[string]string{"sarif": "{}"}),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.sarif")
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			code, stdout, stderr, _ := reportsOf(t, body, "--format", "sarif", "--output", "sarif="+path)
			if code != codeUntrusted || stdout != "" || !strings.Contains(stderr, "assay: error: write report sarif=") || !strings.Contains(stderr, "\nhint: ") {
				t.Errorf("code %d\n%s\n%s", code, stdout, stderr)
			}
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("the old report: %v", err)
			}
		})
	}
}

// A scan that ends before it has an answer leaves no report of an earlier one.
func TestEarlierReports(t *testing.T) {
	for name, flags := range map[string][]string{
		"no token": nil,
		"no root":  {"-d", filepath.Join(t.TempDir(), "missing"), "--token-file", secretFile(t)},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.json")
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			args := slices.Concat([]string{"--server", "http://127.0.0.1:1", "--output", "json=" + path}, flags)
			if code := Run(t.Context(), quietEnv(args, nil, &bytes.Buffer{})); code == codePass {
				t.Error("the scan passed")
			}
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("the old report: %v", err)
			}
		})
	}
}

// secretFile returns a file with a token.
func secretFile(t *testing.T) string {
	t.Helper()
	secret, err := token.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// --html is --format html, and the two may not contradict each other.
func TestHTMLFlag(t *testing.T) {
	for _, flags := range [][]string{{"--html"}, {"-H"}, {"-nH"}, {"--html", "--format", "html"}} {
		_, stdout, _, asked := reportsOf(t, withReports(t, nothing, map[string]string{"html": "<p>x"}), flags...)
		if stdout != "<p>x" || !slices.Equal(asked, []string{"html"}) {
			t.Errorf("%q: %q, asked for %q", flags, stdout, asked)
		}
	}
}
