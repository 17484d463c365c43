// Manual writes the manual page and the completions of the client. assayd prints its own. The
// client does not, to stay small.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"assay/cli"
	"assay/cli/manual"
)

func main() {
	dir := flag.String("dir", "dist/share", "write below `DIR`")
	version := flag.String("version", "devel", "of the client")
	date := flag.String("date", "", "of the page, 2006-01-02")
	flag.Parse()
	err := write(*dir, manual.Program{App: cli.Model(*version), Section: 1, Date: *date, SeeAlso: "assayd(8)"})
	if err != nil {
		fmt.Fprintf(os.Stderr, "manual: %v\n", err)
		os.Exit(1)
	}
}

// write writes the files of a program below dir, as they lie below /usr/share.
func write(dir string, p manual.Program) error {
	name := p.App.Name
	for path, text := range map[string]string{
		fmt.Sprintf("man/man%d/%s.%d", p.Section, name, p.Section): manual.Man(p),
		"bash-completion/completions/" + name:                      manual.Bash(p.App),
		"zsh/site-functions/_" + name:                              manual.Zsh(p.App),
		"fish/vendor_completions.d/" + name + ".fish":              manual.Fish(p.App),
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write the manual: %w", err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return fmt.Errorf("write the manual: %w", err)
		}
	}
	return nil
}
