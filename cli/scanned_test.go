package cli_test

import (
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/cli"
	"assay/remote/token"
)

// TestScannedCode checks that assay scanned passes only for a passing scan, whatever code
// the service returns. The process would end with 0 for code 256.
func TestScannedCode(t *testing.T) {
	secret, err := token.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	for _, tt := range []struct {
		status int
		answer string
		code   int
	}{
		{200, `{"passed":true,"scan":"s1","code":0}`, 0},
		{409, `{"passed":false,"scan":"s1","code":4}`, 4},
		{409, `{"passed":false,"scan":"s1","code":5}`, 5},
		{409, `{"passed":false,"scan":"s1","code":0}`, 5},
		{409, `{"passed":false,"scan":"s1","code":256}`, 5},
		{409, `{"passed":false,"scan":"s1","code":-256}`, 5},
		{404, `{"passed":false,"code":4}`, 5},
		{200, `{"passed":false,"scan":"s1","code":0}`, 1},
		{200, `{"passed":true,"scan":"s1","code":256}`, 1},
		{409, `{"passed":true,"scan":"s1","code":0}`, 1},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.answer)
		}))
		var log strings.Builder
		if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		code := cli.Run(t.Context(), cli.Env{
			Args:      []string{"assay", "scanned", "--server", server.URL, "--token-file", file, "--commit", "c0ffee"},
			LookupEnv: func(string) (string, bool) { return "", false },
			Stdout:    &log, Stderr: &log, Now: time.Now, Version: "1.0.0",
		})
		server.Close()
		if code != tt.code {
			t.Errorf("%d %s: code %d, want %d\n%s", tt.status, tt.answer, code, tt.code, &log)
		}
	}
}
