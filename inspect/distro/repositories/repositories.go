// Package repositories reads which package repositories a system is configured to
// upgrade from, with apt, apk, dnf or zypper. It returns names, not addresses, because
// addresses may contain passwords: suites of apt ("bookworm-security"), the last two
// parts of an address of apk ("v3.19/main"), IDs of dnf and zypper ("baseos").
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
	// maxNames bounds the number of names in a file, and maxName the bytes of each
	// name.
	maxNames = 200
	maxName  = 128
)

// A Source is a file or folder with the configuration of a package manager.
type Source struct {
	// Path is a file; if Ext is set, it is a folder, and its files with that extension
	// are read.
	Path, Ext string
	// Read returns the names of the enabled repositories in a file.
	Read func(io.Reader) ([]string, error)
}

// For returns the sources for packages of a purl type. There are none for types that
// are not of an operating system.
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

// lines calls f for each line that is not a comment.
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

// readDeb822 reads the deb822 format of sources.list(5), stanzas of fields.
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

// readAPK reads /etc/apk/repositories, one address per line. apk uses a tagged address
// ("@edge address") only for packages that are requested with the tag, never for an
// upgrade.
func readAPK(r io.Reader) ([]string, error) {
	var out names
	err := lines(r, func(line string) error {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '@' {
			return nil
		}
		u, err := url.Parse(line)
		if err != nil {
			return nil // apk ignores it as well; the error would contain the address
		}
		parts := strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' })
		return out.add(strings.Join(parts[max(0, len(parts)-2):], "/"))
	})
	return out, err
}

// readINI reads .repo files of dnf and zypper: one section per repository, which is
// enabled unless it has enabled=0.
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
