package rpm

import (
	"cmp"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"assay/inspect/distro/rpm/header"
	"assay/inspect/failures"
	"assay/inspect/ident"
	"assay/inspect/inventory"
)

const (
	// maxHeaders bounds the headers of one database. All of Fedora has about 65,000
	// packages.
	maxHeaders = 100_000
	// maxBroken bounds the headers that cannot be read.
	maxBroken = 10_000
	// maxText bounds the text of all packages of one database, in bytes.
	maxText = 16 << 20
	// keyName is the name of the entries for imported public keys. They are not
	// software.
	keyName = "gpg-pubkey"
)

// Packages returns the packages in headers, which are those of the database at path.
// Imported keys, which rpm stores as packages named gpg-pubkey, are left out.
//
// Version is "epoch:version-release", without an epoch if the header has none; rpm
// distinguishes that from epoch 0, but compares both alike. Source and SourceVersion
// come from the file name of the source package, which does not contain an epoch. If
// there is no such name, they are the package's own. Vendor is the packager if no
// vendor is named. SignedBy is the key that the signature names, which is not verified: rpm
// does that before it installs a package.
//
// If headers are invalid, the error names the first one and counts the others, and the
// packages of the valid headers are returned with it.
func Packages(headers iter.Seq2[*header.Header, error], path string) ([]inventory.Package, error) {
	var packages []inventory.Package
	var broken failures.List
	seen, text := 0, 0
	for h, err := range headers {
		if seen++; seen > maxHeaders || broken.Len() > maxBroken || text > maxText {
			return packages, fmt.Errorf("more than %d headers, %d invalid headers or %d bytes of text", maxHeaders, maxBroken, maxText)
		}
		var p inventory.Package
		if err == nil {
			p, err = decode(h)
		}
		switch {
		case err != nil:
			broken.Add(0, err)
			continue
		case p.Name == keyName:
			continue
		}
		text += len(p.Name) + len(p.Version) + len(p.Arch) + len(p.Source) + len(p.SourceVersion) + len(p.Vendor) + len(p.Module)
		p.Evidence = []inventory.Evidence{{Path: path, Kind: Kind}}
		packages = append(packages, p)
	}
	return packages, broken.Err("errors")
}

// decode returns the package of a header.
func decode(h *header.Header) (inventory.Package, error) {
	r := reader{h: h}
	name := r.text(header.Name)
	if r.err == nil && !isWord(name) {
		r.err = fmt.Errorf("invalid package name %q", name)
	}
	if r.err != nil {
		return inventory.Package{}, r.err
	}
	// In the order in which the values are stored.
	version, release := r.text(header.Version), r.text(header.Release)
	epoch := r.epoch()
	vendor := cmp.Or(r.text(header.Vendor), r.text(header.Packager))
	arch := r.text(header.Arch)
	sourceRPM := r.text(header.SourceRPM)
	module := r.text(header.ModularityLabel)
	signedBy := r.signedBy()
	switch {
	case r.err != nil:
	case !isWord(version) || strings.Contains(version, "-"):
		r.err = fmt.Errorf("invalid version %q", version)
	case !isWord(release) || strings.Contains(release, "-"):
		r.err = fmt.Errorf("invalid release %q", release)
	case arch != "" && !isWord(arch):
		r.err = fmt.Errorf("invalid architecture %q", arch)
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
		SignedBy:      signedBy,
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

// epoch returns the epoch followed by a colon, or "".
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

// splitSource splits the file name of a source package, name-version-release.src.rpm or
// name-version-release.nosrc.rpm.
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

// isWord reports whether s is not empty and contains no space, control character or
// slash. Names are not checked further, because not all packages are built by rpmbuild.
func isWord(s string) bool {
	return s != "" && ident.IsWord(s) && !strings.Contains(s, "/")
}
