package main

import (
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	var b strings.Builder
	if err := write(t.Context(), &b, "urfave_cli_no_docs", []string{"assay", "assay/service/assayd"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"the Go standard library go1.", "Copyright 2009 The Go Authors",
		"github.com/urfave/cli/v2 v2.", "Mozilla Public License", "modernc.org/sqlite v1.",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the notices do not contain %q", want)
		}
	}
	for _, test := range []string{"github.com/rogpeppe/go-internal", "honnef.co/go/tools"} {
		if strings.Contains(b.String(), test) {
			t.Errorf("the notices name %s, which is not linked", test)
		}
	}
}

func TestNoLicense(t *testing.T) {
	if _, err := licenses(t.TempDir()); err == nil {
		t.Error("a module without a license is not an error")
	}
}
