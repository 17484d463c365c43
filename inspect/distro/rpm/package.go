package rpm

import (
	"cmp"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"assay/inspect/distro/rpm/header"
	"assay/inspect/ident"
	"assay/inspect/inventory"
)

const (
	// maxHeaders bounds the headers of one database; all of Fedora has about
	// 65,000 packages.
	maxHeaders = 100_000
	// maxBroken bounds those of them that cannot be read.
	maxBroken = 10_000
	// maxText bounds the text of all packages of one database.
	maxText = 16 << 20
	// keyName is the name of what stands in a database for a key that was
	// imported. It is no software.
	keyName = "gpg-pubkey"
)

// Packages returns the packages that headers, of the database at path, describe.
// Imported keys, which rpm keeps as packages named gpg-pubkey, are left out.
//
// Version is "epoch:version-release", without epoch where the header has none,
// which is not the same to rpm as 0 but compares as it. Source and SourceVersion
// are those of the source package's file name, which tells no epoch; where there
// is no such name they are the package's own. Vendor is the packager where no
// vendor is named.
//
// An error names the first header that is broken and how many more are; the
// packages of the whole ones are returned with it.
func Packages(headers iter.Seq2[*header.Header, error], path string) ([]inventory.Package, error) {
	var packages []inventory.Package
	var first error
	seen, broken, text := 0, 0, 0
	for h, err := range headers {
		if seen++; seen > maxHeaders || broken > maxBroken || text > maxText {
			return packages, fmt.Errorf("more than %d headers, %d broken ones or %d bytes of text", maxHeaders, maxBroken, maxText)
		}
		var p inventory.Package
		if err == nil {
			p, err = decode(h)
		}
		switch {
		case err != nil:
			if broken++; first == nil {
				first = err
			}
			continue
		case p.Name == keyName:
			continue
		}
		text += len(p.Name) + len(p.Version) + len(p.Arch) + len(p.Source) + len(p.SourceVersion) + len(p.Vendor) + len(p.Module)
		p.Evidence = []inventory.Evidence{{Path: path, Kind: Kind}}
		packages = append(packages, p)
	}
	if broken > 1 {
		first = fmt.Errorf("%w, and %d more errors", first, broken-1)
	}
	return packages, first
}

// decode returns the package of a header.
func decode(h *header.Header) (inventory.Package, error) {
	r := reader{h: h}
	name := r.text(header.Name)
	if r.err == nil && !isWord(name) {
		r.err = fmt.Errorf("name %q: not a package name", name)
	}
	if r.err != nil {
		return inventory.Package{}, r.err
	}
	// In the order in which they lie in the store.
	version, release := r.text(header.Version), r.text(header.Release)
	epoch := r.epoch()
	vendor := cmp.Or(r.text(header.Vendor), r.text(header.Packager))
	arch := r.text(header.Arch)
	sourceRPM := r.text(header.SourceRPM)
	module := r.text(header.ModularityLabel)
	switch {
	case r.err != nil:
	case !isWord(version) || strings.Contains(version, "-"):
		r.err = fmt.Errorf("version %q: not a version", version)
	case !isWord(release) || strings.Contains(release, "-"):
		r.err = fmt.Errorf("release %q: not a release", release)
	case arch != "" && !isWord(arch):
		r.err = fmt.Errorf("architecture %q: not an architecture", arch)
	}
	if r.err != nil {
		return inventory.Package{}, fmt.Errorf("package %q: %w", name, r.err)
	}
	version += "-" + release
	source, sourceVersion, ok := splitSource(sourceRPM)
	if !ok {
		source, sourceVersion = name, version
	}
	return inventory.Package{
		Type:          "rpm",
		Name:          inventory.Text(name),
		Version:       inventory.Text(epoch + version),
		Arch:          inventory.Text(arch),
		Source:        inventory.Text(source),
		SourceVersion: inventory.Text(sourceVersion),
		Vendor:        inventory.Text(vendor),
		Module:        inventory.Text(module),
	}, nil
}

// A reader reads values of a header until one cannot be read.
type reader struct {
	h   *header.Header
	err error
}

func (r *reader) text(tag header.Tag) string {
	if r.err != nil {
		return ""
	}
	var s string
	s, r.err = r.h.String(tag)
	return s
}

// epoch returns the epoch with its colon, or nothing.
func (r *reader) epoch() string {
	if r.err != nil {
		return ""
	}
	epoch, ok, err := r.h.Uint32(header.Epoch)
	if r.err = err; !ok {
		return ""
	}
	return strconv.FormatUint(uint64(epoch), 10) + ":"
}

// splitSource splits the name of a source package's file,
// name-version-release.src.rpm or .nosrc.rpm.
func splitSource(file string) (name, version string, ok bool) {
	base, ok := strings.CutSuffix(file, ".src.rpm")
	if !ok {
		if base, ok = strings.CutSuffix(file, ".nosrc.rpm"); !ok {
			return "", "", false
		}
	}
	release := strings.LastIndexByte(base, '-')
	if release < 0 {
		return "", "", false
	}
	at := strings.LastIndexByte(base[:release], '-')
	if at <= 0 || !isWord(base) {
		return "", "", false
	}
	return base[:at], base[at+1:], true
}

// isWord reports whether s is not empty and has no space, control character or
// slash. No more is asked of a name: not all packages are built by rpmbuild.
func isWord(s string) bool {
	return s != "" && ident.IsWord(s) && !strings.Contains(s, "/")
}
