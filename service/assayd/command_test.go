package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/service/store"
	"assay/verdict/hint"
)

func TestUnknownCommand(t *testing.T) {
	for _, tt := range []struct {
		args       []string
		what, hint string
	}{
		{[]string{"serv", "--data", "x"}, `unknown command "serv"`, "assayd --help lists the commands"},
		{[]string{"--help", "serv"}, `unknown command "serv"`, "assayd --help lists the commands"},
		{[]string{"token", "crate", "--data", "x"}, `unknown command "crate"`, "assayd token --help lists the commands"},
		{[]string{"serve"}, "--public-url is missing", "it is the URL under which builds reach this service, such as https://assay.example.com"},
		{[]string{"token", "create"}, "--name is missing or empty", "give the token a name, such as --name ci: the list and the log show it"},
	} {
		stdout, _, err := assayd(t, tt.args...)
		if err == nil || err.Error() != tt.what {
			t.Errorf("assayd %q: %v, want %s", tt.args, err, tt.what)
			continue
		}
		if got := hint.Of(err); got != tt.hint {
			t.Errorf("assayd %q: hint %q, want %q", tt.args, got, tt.hint)
		}
		if stdout != "" {
			t.Errorf("assayd %q prints %q", tt.args, stdout)
		}
	}
}

func TestACMEDomain(t *testing.T) {
	for _, tt := range []struct{ domain, what string }{
		{"", `--acme-domain: invalid domain "" for a certificate: want a host name`},
		{"https://assay.example.com", `--acme-domain: invalid domain "https://assay.example.com" for a certificate: want a host name`},
		{"assay.example.com:443", `--acme-domain: invalid domain "assay.example.com:443" for a certificate: want a host name`},
		{"localhost", `--acme-domain: invalid domain "localhost" for a certificate: it is not a public name`},
	} {
		_, _, err := assayd(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--public-url", "https://assay.example.com", "--acme-domain", tt.domain)
		if err == nil || err.Error() != tt.what || !strings.Contains(hint.Of(err), "--acme-domain assay.example.com") {
			t.Errorf("--acme-domain %q: %v, hint %q, want %s", tt.domain, err, hint.Of(err), tt.what)
		}
	}
}

// Errors that every command can return have a hint, unless the command gives its own.
func TestHintOfStore(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("serve: %w", store.ErrDamaged), "assayd repair"},
		{fmt.Errorf("serve: %w", store.ErrIncomplete), "assayd copy"},
		{hint.Errorf("do that", "restore: %w", store.ErrDamaged), "do that"},
	} {
		if got := hintOf(tt.err); !strings.Contains(got, tt.want) {
			t.Errorf("%v: hint %q, want %q", tt.err, got, tt.want)
		}
	}
}

// The lines for a Dockerfile have the address of the service, or a note that it is missing.
func TestTokenAddress(t *testing.T) {
	const note = "Replace https://assay.example.com by the address of your assayd"
	dir := t.TempDir()
	if _, stderr, err := assayd(t, "token", "create", "--name", "a", "--data", dir); err != nil || !strings.Contains(stderr, note) {
		t.Errorf("before assayd served: %v, %q", err, stderr)
	}
	if err := os.WriteFile(filepath.Join(dir, publicURLFile), []byte("https://scan.example.org"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, err := assayd(t, "token", "create", "--name", "b", "--data", dir)
	if err != nil || !strings.Contains(stderr, "ADD https://scan.example.org/assay /") || strings.Contains(stderr, note) {
		t.Errorf("after assayd served: %v, %q", err, stderr)
	}
}
