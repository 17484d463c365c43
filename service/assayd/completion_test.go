package main

import (
	"bytes"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
)

func printed(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	d := &daemon{stdout: &out, stderr: io.Discard, now: time.Now}
	if err := d.run(t.Context(), append([]string{"assayd"}, args...)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestCompletion completes lines in a real bash.
func TestCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		testkit.Missing(t, "bash")
	}
	script := printed(t, "completion", "bash")
	for line, want := range map[string]string{
		"assayd tok":                   "token",
		"assayd token re":              "revoke",
		"assayd token rotate --ov":     "--overlap",
		"assayd --data x token cre":    "create",
		"assayd serve --public":        "--public-url",
		"assayd explain --betw":        "--between",
		"assayd import nosuchthing --": "--data",
	} {
		words := strings.Fields(line)
		cmd := exec.CommandContext(t.Context(), bash, "--norc", "-c", script+
			"\nCOMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _assayd; printf '%s\\n' \"${COMPREPLY[@]}\"", "bash")
		cmd.Args = append(cmd.Args, words...)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains("\n"+string(out), "\n"+want+"\n") {
			t.Errorf("%q: %v\n%s\nwant %q", line, err, out, want)
		}
	}
	if got := printed(t, "completion", "zsh"); !strings.HasPrefix(got, "#compdef assayd\n") {
		t.Errorf("zsh: %.100s", got)
	}
	if got := printed(t, "completion", "fish"); !strings.Contains(got, "-l overlap") {
		t.Errorf("fish lacks --overlap:\n%s", got)
	}
	d := &daemon{stdout: io.Discard, stderr: io.Discard, now: time.Now}
	if err := d.run(t.Context(), []string{"assayd", "completion", "csh"}); err == nil {
		t.Error("csh has a completion")
	}
}

func TestMan(t *testing.T) {
	page := printed(t, "man")
	for _, want := range []string{".TH", "assayd", "token", "rotate", "public\\-url"} {
		if !strings.Contains(page, want) && !strings.Contains(page, strings.ReplaceAll(want, `\-`, "-")) {
			t.Errorf("the page lacks %q", want)
		}
	}
}
