// Package repositories reads which package repositories a system is configured to
// upgrade from, by apt, apk, dnf or zypper. It returns names and no addresses, which
// may have passwords in them: suites of apt ("bookworm-security"), the last two parts
// of an address of apk ("v3.19/main"), ids of dnf and zypper ("baseos").
package repositories

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"assay/inspect/inventory"
)

const (
	// Limit is how many bytes of a file are read.
	Limit = 1 << 20
	// maxNames bounds the names of a file, and maxName the bytes of each.
	maxNames = 200
	maxName  = 128
)

// A Source is one place where a package manager has its configuration.
type Source struct {
	// Path is a file, or with Ext the folder of the files with that ending.
	Path, Ext string
	// Read returns the names of the enabled repositories of a file.
	Read func(io.Reader) ([]string, error)
}

// For returns the places for packages of a purl type; none for a type that is not of
// an operating system.
func For(purlType string) []Source {
	switch purlType {
	case "deb":
		return []Source{
			{"etc/apt/sources.list", "", readList},
			{"etc/apt/sources.list.d", ".list", readList},
			{"etc/apt/sources.list.d", ".sources", readDeb822},
		}
	case "apk":
		return []Source{
			{"etc/apk/repositories", "", readAPK},
			{"etc/apk/repositories.d", ".list", readAPK},
			{"lib/apk/repositories.d", ".list", readAPK},
		}
	case "rpm":
		return []Source{
			{"etc/yum.repos.d", ".repo", readINI},
			{"etc/yum.conf", "", readINI},
			{"etc/dnf/dnf.conf", "", readINI},
			{"etc/zypp/repos.d", ".repo", readINI},
			{"usr/share/dnf5/repos.d", ".repo", readINI},
		}
	}
	return nil
}

// names collects the names of a file.
type names []string

func (n *names) add(name string) error {
	if name == "" {
		return nil
	}
	if len(*n) == maxNames || len(name) > maxName {
		return fmt.Errorf("more than %d repositories, or a name of more than %d bytes", maxNames, maxName)
	}
	*n = append(*n, inventory.Text(name))
	return nil
}

// lines calls f for each line without the comment that begins it.
func lines(r io.Reader, f func(line string) error) error {
	s := bufio.NewScanner(r)
	for s.Scan() {
		if strings.HasPrefix(strings.TrimSpace(s.Text()), "#") {
			continue
		}
		if err := f(s.Text()); err != nil {
			return err
		}
	}
	return s.Err()
}

// readList reads the one-line format of sources.list(5):
// deb [option=value …] uri suite [component …].
func readList(r io.Reader) ([]string, error) {
	var out names
	err := lines(r, func(line string) error {
		line, _, _ = strings.Cut(line, "#")
		word, rest, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
		if word != "deb" {
			return nil
		}
		if rest = strings.TrimSpace(rest); strings.HasPrefix(rest, "[") {
			_, rest, _ = strings.Cut(rest, "]")
		}
		if fields := strings.Fields(rest); len(fields) >= 2 {
			return out.add(fields[1])
		}
		return nil
	})
	return out, err
}

// readDeb822 reads the other format of sources.list(5), stanzas of fields.
func readDeb822(r io.Reader) ([]string, error) {
	var out names
	fields := map[string]string{}
	end := func() error {
		defer clear(fields)
		if !slices.Contains(strings.Fields(fields["types"]), "deb") || slices.Contains([]string{"no", "false", "without", "off", "disable", "0"}, strings.ToLower(fields["enabled"])) {
			return nil
		}
		for _, suite := range strings.Fields(fields["suites"]) {
			if err := out.add(suite); err != nil {
				return err
			}
		}
		return nil
	}
	last := ""
	err := lines(r, func(line string) error {
		switch {
		case strings.TrimSpace(line) == "":
			return end()
		case line[0] == ' ' || line[0] == '\t':
			if last == "suites" {
				fields[last] += " " + strings.TrimSpace(line)
			}
			return nil
		}
		name, value, _ := strings.Cut(line, ":")
		if last = strings.ToLower(strings.TrimSpace(name)); slices.Contains([]string{"types", "suites", "enabled"}, last) {
			fields[last] = strings.TrimSpace(value)
		}
		return nil
	})
	if err == nil {
		err = end()
	}
	return out, err
}

// readAPK reads /etc/apk/repositories: an address on a line. A tagged one ("@edge
// address") is used for packages that are asked for by the tag, never for an upgrade.
func readAPK(r io.Reader) ([]string, error) {
	var out names
	err := lines(r, func(line string) error {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '@' {
			return nil
		}
		u, err := url.Parse(line)
		if err != nil {
			return nil // apk ignores it, too; the error would have the address in it
		}
		parts := strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' })
		return out.add(strings.Join(parts[max(0, len(parts)-2):], "/"))
	})
	return out, err
}

// readINI reads .repo files of dnf and zypper: a section for each repository, which
// is enabled unless enabled=0.
func readINI(r io.Reader) ([]string, error) {
	var out names
	section, enabled := "", true
	end := func() error {
		if section == "main" || !enabled {
			return nil
		}
		return out.add(section)
	}
	err := lines(r, func(line string) error {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			if err := end(); err != nil {
				return err
			}
			section, _, _ = strings.Cut(line[1:], "]")
			section, enabled = strings.TrimSpace(section), true
			return nil
		}
		key, value, _ := strings.Cut(line, "=")
		if strings.TrimSpace(key) == "enabled" {
			enabled = !slices.Contains([]string{"0", "no", "false", "off"}, strings.ToLower(strings.TrimSpace(value)))
		}
		return nil
	})
	if err == nil {
		err = end()
	}
	return out, err
}
