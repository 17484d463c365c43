package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A name that was meant as a file or a folder is taken for that of an image, and the hint says so.
func TestScanMeantFile(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("build", 0o755); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	must(t, "token", "create", "--name", "x", "--data", data)
	for _, tt := range []struct {
		target string
		code   int
		says   string
	}{
		{"./shop.tar", 2, `"./shop.tar" does not exist hint: name an archive`},
		{filepath.Join(data, "shop.tar"), 2, "does not exist hint: name an archive"},
		{"127.0.0.1:1/shop.tar", 1, `there is no file "127.0.0.1:1/shop.tar"`},
		{"127.0.0.1:1/shop:1", 1, "check the name of the registry"},
	} {
		_, stderr, err := assayd(t, "scan", "--data", data, tt.target)
		if e, ok := errors.AsType[exitError](err); !ok || e.code != tt.code || !strings.Contains(strings.Join(strings.Fields(stderr), " "), tt.says) {
			t.Errorf("%s: %v %s, want %d %q", tt.target, err, stderr, tt.code, tt.says)
		}
	}
	for target, want := range map[string]string{
		"build": "the folder \"build\" has neither", "shop.tar": "there is no file", "shop.tar.gz": "there is no file", "debian:12": "", "shop": "",
	} {
		if got := meantFile(target); !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}
