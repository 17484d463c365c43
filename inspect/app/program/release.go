package program

import (
	"cmp"
	"fmt"
	"io"
	"path"
	"strings"

	"assay/inspect/fixture"
	"assay/inspect/ident"
	"assay/inspect/inventory"
)

// Limit is how many bytes of a file with the version of a runtime or an application are read.
// The rest is not needed.
const Limit = 64 << 10

// A release is a row of the table of text files in which a runtime or an application states its
// version.
type release struct {
	// name is that of the package.
	name string
	// file is the end of the path.
	file string
	// before is the text in front of the version, and after the text behind it. The file is
	// read as if it had an empty line before the first and a line end after the last.
	before, after string
	// sure is a text that only this file has. If it is empty, it is before.
	sure string
	// product is the vendor and the product of its CPE. If it is empty, the package is that
	// of a Go toolchain.
	product string
}

// releases is the table, which is only read.
var releases = []release{
	{"erlang", "OTP_VERSION", "\n", "\n", "", `erlang:erlang\/otp`},
	{"joomla", "administrator/manifests/files/joomla.xml", "<version>", "</version>", "<name>files_joomla</name>", `joomla:joomla\!`},
	{"mediawiki", "includes/DefaultSettings.php", "\n$wgVersion = '", "'", "", "mediawiki:mediawiki"}, // before 1.35
	{"mediawiki", "includes/Defines.php", "\ndefine( 'MW_VERSION', '", "'", "", "mediawiki:mediawiki"},
	{"nextcloud", "version.php", "\n$OC_VersionString = '", "'", "\n$vendor = 'nextcloud';", "nextcloud:nextcloud_server"},
	{"openjdk", "release", "\nJAVA_VERSION=\"", "\"", "", "oracle:openjdk"},
	{"phpmyadmin", "libraries/classes/Config.php", "$this->set('PMA_VERSION', '", "'", "", "phpmyadmin:phpmyadmin"}, // before 5.1
	{"phpmyadmin", "libraries/classes/Version.php", " const VERSION = '", "'", "\nnamespace PhpMyAdmin;", "phpmyadmin:phpmyadmin"},
	{"phpmyadmin", "src/Version.php", " const VERSION = '", "'", "\nnamespace PhpMyAdmin;", "phpmyadmin:phpmyadmin"}, // from 6.0
	{"toolchain", "VERSION", "\ngo", "\n", "\ngo1.", ""},
}

// Bases returns the names of the files that Wants may accept.
func Bases() []string {
	var bases []string
	for _, r := range releases {
		bases = append(bases, path.Base(r.file))
	}
	return bases
}

// Wants reports whether a file may state the version of a runtime or an application.
func Wants(path string) bool { return releaseOf(path) != nil && !fixture.In(path) }

// releaseOf returns the row of the file at a path, or nil.
func releaseOf(path string) *release {
	for i := range releases {
		r := &releases[i]
		if dir, ok := strings.CutSuffix("/"+path, "/"+r.file); ok && r.isIn(dir) {
			return r
		}
	}
	return nil
}

// isIn reports whether the file can be in a folder. OTP_VERSION is in releases/NUMBER, and the
// VERSION of Go below a folder whose name begins with "go" or "toolchain@".
func (r *release) isIn(dir string) bool {
	switch r.name {
	case "erlang":
		parent, number := path.Split(dir)
		return strings.HasSuffix(parent, "/releases/") && number != "" && strings.Trim(number, "0123456789") == ""
	case "toolchain":
		return strings.Contains(dir, "/go") || strings.Contains(dir, "/toolchain@")
	}
	return true
}

// ReadVersion reads a file that Wants wants. A file that is certainly of a program and does not
// have its version is an error.
func ReadVersion(file io.Reader, path string) ([]inventory.Package, error) {
	r := releaseOf(path)
	content, err := io.ReadAll(io.LimitReader(file, Limit))
	if err != nil || r == nil {
		return nil, err
	}
	text := "\n" + string(content) + "\n"
	if !strings.Contains(text, cmp.Or(r.sure, r.before)) {
		return nil, nil
	}
	_, rest, _ := strings.Cut(text, r.before)
	version, _, ok := strings.Cut(rest, r.after)
	switch r.name {
	case "erlang":
		version = number(version) // "25.2.3**" has patches
	case "toolchain":
		version, _, _ = strings.Cut(version, " ") // of an experiment
	}
	if !ok || !ident.Is(version) || number(version) == "" || strings.ContainsAny(version, `\:*?'"<`) {
		return nil, fmt.Errorf("version of %s: it is in no known form", r.name)
	}
	p := pack(r.name, version, r.product, path)
	if r.product == "" {
		p.Type, p.CPE = "golang", ""
	}
	return []inventory.Package{p}, nil
}
