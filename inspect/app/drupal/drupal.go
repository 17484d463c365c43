// Package drupal finds Drupal, its modules, its themes and its installation profiles.
//
// They are named and versioned as Composer names and versions them, because the advisories
// do, so that a module that Composer has installed is one package.
package drupal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"assay/inspect/fixture"
	"assay/inspect/ident"
	"assay/inspect/inventory"
)

const (
	// Kind is the kind of the evidence.
	Kind = "drupal"
	// Limit is how many bytes of a file may be read. The largest genuine ones, the
	// bootstrap.inc of Drupal 7 and the .info of Views, have 120 KB and 20 KB.
	Limit = 1 << 20

	// maxLine is how many bytes of a line are read; the rest is skipped.
	maxLine = 4 << 10
	// maxName is how many bytes the name of a project may have. drupal.org allows 50.
	maxName = 100

	drupal8  = "core/lib/Drupal.php"
	drupal7  = "includes/bootstrap.inc"
	infoYAML = ".info.yml"
	info     = ".info"
	coreName = "drupal/core"
)

// Bases returns the names of the files that WantsCore decides about.
func Bases() []string { return []string{path.Base(drupal8), path.Base(drupal7)} }

// Exts returns the extensions of the files that WantsInfo decides about.
func Exts() []string { return []string{infoYAML, info} }

// InContext reports whether the result of WantsInfo can depend on a folder of this name in
// the path.
func InContext(name string) bool { return name == "modules" || name == "themes" || name == "profiles" }

// WantsCore reports whether the file at path, relative to the root, states the version of
// Drupal: core/lib/Drupal.php since Drupal 8, includes/bootstrap.inc before.
func WantsCore(path string) bool {
	site, ok := strings.CutSuffix("/"+path, "/"+drupal8)
	if !ok {
		site, ok = strings.CutSuffix("/"+path, "/"+drupal7)
	}
	return ok && !fixture.In(strings.TrimPrefix(site, "/"))
}

// WantsInfo reports whether the file at path, relative to the root, can describe an installed
// module, theme or profile: NAME.info.yml, or NAME.info before Drupal 8, below one of the
// folders of InContext. Drupal looks for them there to any depth.
func WantsInfo(path string) bool {
	if !strings.HasSuffix(path, infoYAML) && !strings.HasSuffix(path, info) || fixture.In(path) {
		return false
	}
	for name := range strings.SplitSeq(path, "/") {
		if InContext(name) {
			return true
		}
	}
	return false
}

// ReadCore reads a file that WantsCore wants, and returns Drupal. A bootstrap.inc without a
// version is not Drupal 7's.
//
// Drupal 7 is also the package drupal7/drupal of the type generic: the advisories of drupal/core
// have its older vulnerabilities only, so it must not count as evaluated.
func ReadCore(r io.Reader, file string) ([]inventory.Package, error) {
	parse := constant
	if strings.HasSuffix(file, drupal7) {
		parse = defined
	}
	version, found, several := "", false, false
	err := lines(r, func(line string) {
		if v, ok := parse(line); ok {
			several = several || found && v != version
			version, found = v, true
		}
	})
	if err != nil {
		return nil, err
	}
	if several {
		version = ""
	}
	switch old := strings.HasSuffix(file, drupal7); {
	case old && !found:
		return nil, nil
	case old:
		return []inventory.Package{found7("drupal", version, file), found8(coreName, version, file)}, nil
	}
	return []inventory.Package{found8(coreName, version, file)}, nil
}

// constant returns the version in a line of Drupal.php: "const VERSION = '10.2.5';".
func constant(line string) (version string, ok bool) {
	before, after, ok := strings.Cut(line, "=")
	words := strings.Fields(before)
	if !ok || len(words) < 2 || words[len(words)-1] != "VERSION" || !strings.Contains(before, "const ") || strings.ContainsAny(words[0], "*/#") {
		return "", false
	}
	return quoted(strings.TrimRight(after, " \t;")), true
}

// defined returns the version in a line of bootstrap.inc: "define('VERSION', '7.98');".
func defined(line string) (version string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimLeft(line, " \t"), "define('VERSION',")
	if !ok {
		return "", false
	}
	return quoted(strings.TrimRight(rest, " \t;)")), true
}

// quoted returns the text in quotation marks, or "" if s is something else.
func quoted(s string) string {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '\'' && s[0] != '"' || s[len(s)-1] != s[0] {
		return ""
	}
	return s[1 : len(s)-1]
}

// ReadInfo reads the description of a module, theme or profile, and returns its project. Only
// the lines that drupal.org has added when it packaged the release have a project:
//
//	version: '8.x-1.27'        version = "7.x-3.24"
//	project: 'ctools'          project = "views"
//
// A description without a project is of the site's own code, or comes with Drupal, and has no
// package. The parts of a project have the same version, and are one package.
func ReadInfo(r io.Reader, file string) ([]inventory.Package, error) {
	separator := ":"
	if !strings.HasSuffix(file, infoYAML) {
		separator = "="
	}
	values := map[string]string{}
	err := lines(r, func(line string) {
		key, value, ok := strings.Cut(line, separator)
		if key = strings.TrimRight(key, " \t"); ok && (key == "project" || key == "version" || key == "backdrop") {
			value = strings.TrimSpace(value)
			if text := quoted(value); text != "" {
				value = text
			}
			values[key] = value // the last one counts: drupal.org adds its lines at the end
		}
	})
	if err != nil {
		return nil, err
	}
	name, version := values["project"], values["version"]
	switch {
	case name == "" || name == "drupal" || values["backdrop"] != "":
		return nil, nil
	case !isProject(name):
		return nil, fmt.Errorf("invalid project %.*q", maxName, name)
	case separator == "=":
		return []inventory.Package{found7(name, version, file)}, nil
	}
	return []inventory.Package{found8("drupal/"+name, version, file)}, nil
}

// lines calls use with the lines of r, without their ends.
func lines(r io.Reader, use func(line string)) error {
	buf := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := buf.ReadSlice('\n')
		if err == nil || errors.Is(err, io.EOF) || errors.Is(err, bufio.ErrBufferFull) {
			use(strings.TrimRight(string(line), "\r\n"))
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = buf.ReadSlice('\n')
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// isProject reports whether s is a name of a project on drupal.org.
func isProject(s string) bool {
	return len(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && r != '-' && (r > 0x7f || !ident.IsAlnum(byte(r)))
	})
}

// found8 returns a package as Composer names it. drupal.org's version "8.x-1.27" is 1.27.0 to
// Composer. Text that can be no version is an unknown version.
func found8(name, version, file string) inventory.Package {
	if rest, ok := strings.CutPrefix(version, "8.x-"); ok {
		numbers, suffix, pre := strings.Cut(rest, "-")
		if strings.Count(numbers, ".") == 1 && !strings.HasSuffix(numbers, ".x") {
			numbers += ".0"
		}
		if version = numbers; pre {
			version += "-" + suffix
		}
	}
	return found("composer", name, version, file)
}

// found7 returns a package of Drupal 7 or earlier, for which nobody publishes advisories that
// can be matched.
func found7(name, version, file string) inventory.Package {
	return found("generic", "drupal7/"+name, version, file)
}

func found(typ, name, version, file string) inventory.Package {
	if !ident.Is(version) {
		version = ""
	}
	return inventory.Package{Type: typ, Name: name, Version: version, Evidence: []inventory.Evidence{{Path: file, Kind: Kind}}}
}
