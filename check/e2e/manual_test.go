package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
)

// TestManual compares the man pages and the completions with what the programs print under
// --help: every command, with exactly its flags. Man pages are
// read by groff and mandoc, completions run in their shells.
func TestManual(t *testing.T) {
	linked, err := linkedOnce()
	if err != nil || linked["assay/cli"] == nil {
		t.Fatalf("%d packages: %v", len(linked), err)
	}
	if linked["assay/cli/manual"] != nil {
		t.Error("the client links what writes its manual")
	}
	dir := t.TempDir()
	output(t, exec.CommandContext(t.Context(), "go", "run", "./check/manual", "-dir", dir, "-version", "1.0.0", "-date", "2026-01-31"))
	for path, args := range map[string][]string{
		"man/man8/assayd.8":                     {"man", "--date", "2026-01-31"},
		"bash-completion/completions/assayd":    {"completion", "bash"},
		"zsh/site-functions/_assayd":            {"completion", "zsh"},
		"fish/vendor_completions.d/assayd.fish": {"completion", "fish"},
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		text := output(t, exec.CommandContext(t.Context(), filepath.Join(bin, "assayd"), args...))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []struct{ name, page, known string }{
		{"assay", "man/man1/assay.1", "scanned"},
		{"assayd", "man/man8/assayd.8", "token create"},
	} {
		t.Run(p.name, func(t *testing.T) {
			helps := helpOf(t, p.name)
			if !slices.ContainsFunc(helps, func(h help) bool { return h.words == p.known && slices.Contains(h.flags, "--project") }) {
				t.Fatalf("--help was not understood: %+v", helps)
			}
			page := filepath.Join(dir, p.page)
			t.Run("page", func(t *testing.T) { pageHas(t, p.name, page, helps) })
			for tool, args := range map[string][]string{"mandoc": {"-Tlint"}, "groff": {"-man", "-ww", "-Tascii", "-z"}} {
				t.Run(tool, func(t *testing.T) {
					needs(t, tool)
					if out := output(t, exec.CommandContext(t.Context(), tool, append(args, page)...)); out != "" {
						t.Error(out)
					}
				})
			}
			for _, s := range []shell{
				{"bash", "bash-completion/completions/" + p.name, bashAsks},
				{"zsh", "zsh/site-functions/_" + p.name, zshAsks},
				{"fish", "fish/vendor_completions.d/" + p.name + ".fish", fishAsks},
			} {
				t.Run(s.name, func(t *testing.T) { s.completes(t, filepath.Join(dir, s.path), p.name, helps) })
			}
		})
	}
}

// A help is what --help says of one command, or of the program.
type help struct {
	words    string // "token create"
	flags    []string
	commands []string
}

var (
	helpSection = regexp.MustCompile(`(?m)^([A-Z ]+):$`)
	helpFlags   = regexp.MustCompile(`(?m)^   (--?[a-zA-Z].*)$`)
	helpFlag    = regexp.MustCompile(`(?:^|, )(--?[a-zA-Z][a-z-]*)`)
	helpCommand = regexp.MustCompile(`(?m)^   ([a-z][a-z-]*)  `)
)

// helpOf asks a program for all of its help.
func helpOf(t *testing.T, name string, words ...string) []help {
	t.Helper()
	text := output(t, exec.CommandContext(t.Context(), filepath.Join(bin, name), append(words, "--help")...))
	h := help{words: strings.Join(words, " ")}
	all := []help{}
	at := helpSection.FindAllStringSubmatchIndex(text, -1)
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		switch section := text[m[1]:end]; text[m[2]:m[3]] {
		case "COMMANDS":
			for _, c := range helpCommand.FindAllStringSubmatch(section, -1) {
				h.commands = append(h.commands, c[1])
				if c[1] == "help" { // says what the program says
					all = append(all, help{words: "help", flags: []string{"--help", "-h"}})
					continue
				}
				all = append(all, helpOf(t, name, append(slices.Clone(words), c[1])...)...)
			}
		case "OPTIONS", "GLOBAL OPTIONS":
			for _, line := range helpFlags.FindAllStringSubmatch(section, -1) {
				names, _, _ := strings.Cut(line[1], "  ")
				names, _, _ = strings.Cut(names, " [")
				for _, f := range helpFlag.FindAllStringSubmatch(names, -1) {
					h.flags = append(h.flags, f[1])
				}
			}
		}
	}
	slices.Sort(h.flags)
	slices.Sort(h.commands)
	return append([]help{h}, all...)
}

// pageHas looks for each command with each flag in a man page.
func pageHas(t *testing.T, program, path string, helps []help) {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(b), `\-`, "-")
	for _, h := range helps {
		heading := "\n.SH OPTIONS\n"
		if h.words != "" {
			heading = "\n.SS " + program + " " + h.words + "\n"
		}
		_, section, found := strings.Cut(text, heading)
		if !found {
			t.Errorf("no %q", heading)
		}
		section, _, _ = strings.Cut(section, "\n.S")
		var got []string
		for line := range strings.Lines(section) {
			if names, bold := strings.CutPrefix(line, `\fB`); bold {
				names, _, _ = strings.Cut(names, " [")
				for _, f := range helpFlag.FindAllStringSubmatch(names, -1) {
					got = append(got, f[1])
				}
			}
		}
		if slices.Sort(got); !slices.Equal(got, h.flags) {
			t.Errorf("%s %s: the page has %q, --help %q", program, h.words, got, h.flags)
		}
	}
}

// A shell is one with completions. Its script takes the file of the completion and
// the words of a command line, of which the last is completed, and prints the words
// that fit, one a line.
type shell struct{ name, path, script string }

const (
	bashAsks = `. "$1"; shift; complete -p "$1" >/dev/null || exit; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "_$1"; printf '%s\n' "${COMPREPLY[@]}"`

	// What a completion is made of in zsh works in its editor alone: these print.
	zshAsks = `_describe() { local -a list=("${(@P)argv[-1]}"); print -rl -- "${(@)list%%:*}" }
_files() { : }
words=("${@:2}"); CURRENT=$#words; source "$1"`

	fishAsks = `source $argv[1]; complete -C (string join ' ' -- $argv[2..-1])`
)

func (s shell) completes(t *testing.T, path, program string, helps []help) {
	needs(t, s.name)
	home := append(os.Environ(), "HOME="+t.TempDir(), "XDG_CONFIG_HOME=", "XDG_DATA_HOME=")
	check := exec.CommandContext(t.Context(), s.name, "-n", path)
	check.Env = home
	if out := output(t, check); out != "" {
		t.Error(out)
	}
	ask := func(words ...string) []string {
		args := []string{"-c", s.script}
		if s.name != "fish" { // which has $0
			args = append(args, s.name)
		}
		cmd := exec.CommandContext(t.Context(), s.name, append(append(args, path), words...)...)
		cmd.Env = home
		cmd.Dir = t.TempDir() // has no files to complete
		var got []string
		for line := range strings.Lines(output(t, cmd)) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			if word != "" {
				got = append(got, word)
			}
		}
		slices.Sort(got)
		return got
	}
	for _, h := range helps {
		words := append([]string{program}, strings.Fields(h.words)...)
		if got := ask(append(slices.Clone(words), "-")...); !slices.Equal(got, h.flags) {
			t.Errorf("%q -: %q, --help has %q", words, got, h.flags)
		}
		if got := ask(append(slices.Clone(words), "")...); !slices.Equal(got, h.commands) {
			t.Errorf("%q: %q, --help has %q", words, got, h.commands)
		}
	}
	// A value with the name of a command is not a command, and a value is not completed
	// to flags or commands.
	if program == "assayd" && s.name != "fish" { // which looks for commands anywhere
		if got := ask(program, "token", "rotate", "--expires", "serve", "--ov"); s.name == "bash" && !slices.Equal(got, []string{"--overlap"}) {
			t.Errorf("behind a value: %q", got)
		}
		if got := ask(program, "token", "create", "--name", ""); len(got) > 0 {
			t.Errorf("a value: %q", got)
		}
	}
}

// needs skips a test that lacks a tool.
func needs(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		testkit.Missing(t, "%s: deploy/needs.sh installs it", tool)
	}
}

// output returns what a command that has to succeed prints.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}
