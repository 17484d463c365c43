package cli

import (
	"bytes"
	"strings"
	"testing"
)

// TestFirstWords types the commands of other scanners and checks the hints.
func TestFirstWords(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string
	}{
		{"image debian:12", "assay: error: unknown command \"image\"\nhint: assay scans the filesystem that it runs in"},
		{"--help fs", "assay: error: unknown command \"fs\"\nhint: to scan a tree: assay --root DIR\n"},
		{"help nosuch", "assay: error: unknown command \"nosuch\"\nhint: assay --help lists the commands\n"},
		{"debian:12", "assay: error: the argument is not a token\nhint: the only argument is the token: use --token-file FILE"},
		{"/run/secrets/assay_token", "assay: error: the argument is not a token\nhint: the only argument is the token: use --token-file FILE"},
		{"doctor dir:/", "assay: error: the argument is not a token\n"},
		{"--server http://127.0.0.1:1", "assay: error: no token was given\nhint: pass --secret id=assay_token,src=FILE to docker build, or --build-arg NAME=TOKEN"},
	} {
		var out, errs bytes.Buffer
		code := Run(t.Context(), Env{
			Args:      append([]string{"assay"}, strings.Fields(tt.args)...),
			LookupEnv: func(string) (string, bool) { return "", false },
			Stdout:    &out, Stderr: &errs,
		})
		if code != codeUsage || !strings.HasPrefix(errs.String(), tt.want) || !strings.HasSuffix(errs.String(), "assay: verdict=error code=2\n") {
			t.Errorf("assay %s: code %d\n%s\nwant 2 and\n%s", tt.args, code, errs.String(), tt.want)
		}
	}
}
