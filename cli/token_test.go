package cli

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	ucli "github.com/urfave/cli/v2"

	"assay/cli/argv"
	"assay/remote/token"
)

type counting byte

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		*c++
		p[i] = byte(*c)
	}
	return len(p), nil
}

// TestTokenOrder checks the order of the places of a token, and the note about places with
// another token.
func TestTokenOrder(t *testing.T) {
	var source counting
	tokens := map[string]string{}
	for _, place := range []string{"argument", "flag", "secret", "variable file", "variable"} {
		s, err := token.New(&source)
		if err != nil {
			t.Fatal(err)
		}
		tokens[place] = s
	}
	for _, tt := range []struct{ places, from, others string }{
		{"argument", "the argument", ""},
		{"argument,flag,secret,variable file,variable", "the argument", `file "/flag" and in file "/run/secrets/assay_token" and in file "/file" and in ASSAY_TOKEN`},
		{"flag,secret,variable file,variable", `file "/flag"`, `file "/run/secrets/assay_token" and in file "/file" and in ASSAY_TOKEN`},
		{"secret,variable file,variable", `file "/run/secrets/assay_token"`, `file "/file" and in ASSAY_TOKEN`},
		{"secret,variable", `file "/run/secrets/assay_token"`, "ASSAY_TOKEN"},
		{"variable file,variable", `file "/file"`, "ASSAY_TOKEN"},
		{"variable", "ASSAY_TOKEN", ""},
		{"secret", `file "/run/secrets/assay_token"`, ""},
	} {
		here := strings.Split(tt.places, ",")
		set := flag.NewFlagSet("", flag.ContinueOnError)
		set.String("token-file", "", "")
		vars, files := map[string]string{}, map[string]string{}
		var args []string
		for _, place := range here {
			switch place {
			case "argument":
				args = append(args, tokens[place])
			case "flag":
				args = append([]string{"--token-file", "/flag"}, args...)
				files["/flag"] = tokens[place] + "\n"
			case "secret":
				files[secretPath] = tokens[place] + "\n"
			case "variable file":
				vars["ASSAY_TOKEN_FILE"], files["/file"] = "/file", tokens[place]
			case "variable":
				vars["ASSAY_TOKEN"] = tokens[place]
			}
		}
		find := func() (secret, error) {
			if len(here) > 1 && here[0] == "argument" {
				args = []string{"--token-file", "/flag", tokens["argument"]}
			}
			if err := set.Parse(args); err != nil {
				t.Fatal(err)
			}
			return findToken(ucli.NewContext(nil, set, nil),
				func(name string) (string, bool) { v, ok := vars[name]; return v, ok },
				func(path string) ([]byte, error) {
					if s, ok := files[path]; ok {
						return []byte(s), nil
					}
					return nil, fs.ErrNotExist
				})
		}
		s, err := find()
		if err != nil || s.value != tokens[here[0]] || s.from != tt.from {
			t.Errorf("%s: from %s, %v", tt.places, s.from, err)
		}
		want := ""
		if tt.others != "" {
			want = "another token in " + tt.others + " was ignored; the token from " + tt.from + " is used"
		}
		if s.others != want {
			t.Errorf("%s: %q, want %q", tt.places, s.others, want)
		}
		// There is no note if all places have the same token.
		for path := range files {
			files[path] = tokens[here[0]]
		}
		if _, ok := vars["ASSAY_TOKEN"]; ok {
			vars["ASSAY_TOKEN"] = tokens[here[0]] + "\n"
		}
		if s, err := find(); err != nil || s.others != "" {
			t.Errorf("%s, all the same: %q, %v", tt.places, s.others, err)
		}
	}
}

func TestReadRegular(t *testing.T) {
	dir := t.TempDir()
	fifo, file := filepath.Join(dir, "fifo"), filepath.Join(dir, "file")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := readRegular(file, 5); err != nil || string(b) != "12345" {
		t.Errorf("%q, %v", b, err)
	}
	for _, path := range []string{fifo, "/dev/zero", dir} {
		if _, err := readRegular(path, 5); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
		var bad *argv.UsageError
		if err := checkOutput(path); !errors.As(err, &bad) {
			t.Errorf("output %s: %v", path, err)
		}
	}
	if _, err := readRegular(file, 4); err == nil {
		t.Error("a file larger than the limit was read")
	}
	for _, path := range []string{file, filepath.Join(dir, "new"), "/dev/stdout", "/dev//stderr", "/proc/self/fd/1"} {
		if err := checkOutput(path); err != nil {
			t.Errorf("output %s: %v", path, err)
		}
	}
}
