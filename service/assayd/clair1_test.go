package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Who may use the API of Clair without a token, and whether it has TLS, depends on its address
// and the flags.
func TestClairListener(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	cert, key := writeCertificate(t, dir, "a", now)
	tls := []string{"--public-url", "https://assay.example.com", "--tls-cert", cert, "--tls-key", key}
	plain := []string{"--public-url", "http://assay.example.com"}
	const open, readable = "the API of Clair is open to everybody", "tokens arrive here without TLS"
	for _, tt := range []struct {
		main        []string
		flags       string
		has, hasNot []string
	}{
		{tls, "--clair-listen 127.0.0.1:0", []string{"tls=false anonymous=clair"}, []string{open, readable}},
		{tls, "--clair-listen 127.0.0.1:0 --clair-anonymous shop", []string{"tls=false anonymous=shop"}, []string{open, readable}},
		{tls, "--clair-listen 0.0.0.0:0", []string{"tls=true anonymous=no"}, []string{open, readable}},
		{tls, "--clair-listen 0.0.0.0:0 --clair-plain", []string{"tls=false anonymous=no", readable}, []string{open}},
		{tls, "--clair-listen 0.0.0.0:0 --clair-anonymous shop", []string{"tls=true anonymous=shop", open}, []string{readable}},
		{plain, "--clair-listen 0.0.0.0:0", []string{"tls=false anonymous=no", readable}, []string{open}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		log := &endingLog{done: []string{"serving the API of Clair", "msg=serving "}, end: cancel}
		d := &daemon{stdout: log, stderr: log, now: func() time.Time { return now }}
		args := append([]string{"assayd", "serve", "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0", "--clients", dir, "--update-every", "0"}, tt.main...)
		if err := d.run(ctx, append(args, strings.Fields(tt.flags)...)); err != nil {
			t.Errorf("%s: %v", tt.flags, err)
		}
		if !contains(log.String(), tt.has) {
			t.Errorf("%s: the log lacks one of %q:\n%s", tt.flags, tt.has, log)
		}
		for _, text := range tt.hasNot {
			if strings.Contains(log.String(), text) {
				t.Errorf("%s: the log has %q:\n%s", tt.flags, text, log)
			}
		}
		cancel()
	}
	for _, tt := range []struct{ flags, want string }{
		{"--clair-plain", "--clair-plain without --clair-listen"},
		{"--clair-anonymous x", "--clair-anonymous without --clair-listen"},
		{"--clair-listen 127.0.0.1:0 --clair-anonymous=", "--clair-anonymous is empty"},
		{"--clair-listen 127.0.0.1:0 --clair-cache 1MiB", `invalid --clair-cache "1MiB"`},
		{"--clair-listen 127.0.0.1:0 --clair-cache much", `invalid --clair-cache "much"`},
		{"--clair-listen nowhere", "missing port in address"},
	} {
		args := append([]string{"serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0"}, plain...)
		if _, _, err := assayd(t, append(args, strings.Fields(tt.flags)...)...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.flags, err, tt.want)
		}
	}
}
