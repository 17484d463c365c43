package rpm

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"assay/inspect/failures"
	"assay/inspect/inventory"
)

const (
	// ManifestLimit is how many bytes of a manifest are read. A package takes about
	// 120.
	ManifestLimit = 16 << 20
	// maxLine bounds a line of a manifest.
	maxLine = 16 << 10
)

// ManifestFiles returns the path of the package list that distroless images of Azure
// Linux and CBL-Mariner have instead of a database.
func ManifestFiles() []string { return []string{"var/lib/rpmmanifest/container-manifest-2"} }

// ReadManifest reads such a list: one package per line, with fields separated by tabs.
// The fields are name, version and release, installation time, build time, vendor,
// epoch or "(none)", size, architecture, epoch as a number, and the file name of the
// source package. If lines are invalid, the error names the first one and counts the
// others, and the packages of the valid lines are returned with it.
func ReadManifest(r io.Reader, path string) ([]inventory.Package, error) {
	var packages []inventory.Package
	var broken failures.List
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	for n := 1; s.Scan(); n++ {
		if s.Text() == "" {
			continue
		}
		p, err := manifestLine(s.Text())
		switch {
		case err != nil:
			broken.Add(n, err)
			continue
		case len(packages) == maxHeaders:
			return packages, fmt.Errorf("line %d: more than %d packages", n, maxHeaders)
		case p.Name == keyName:
			continue
		}
		p.Evidence = []inventory.Evidence{{Path: path, Kind: Kind}}
		packages = append(packages, p)
	}
	return packages, cmp.Or(broken.Err("invalid lines"), s.Err())
}

func manifestLine(line string) (inventory.Package, error) {
	const fields = 10
	f := strings.Split(line, "\t")
	if len(f) != fields {
		return inventory.Package{}, fmt.Errorf("%d fields, want %d", len(f), fields)
	}
	name, version, vendor, epoch, arch, file := f[0], f[1], f[4], f[5], f[7], f[9]
	switch {
	case !isWord(name):
		return inventory.Package{}, errors.New("invalid package name")
	case !isWord(version) || strings.Count(version, "-") != 1:
		return inventory.Package{}, fmt.Errorf("package %q: invalid version %q", name, version)
	case arch != "(none)" && !isWord(arch):
		return inventory.Package{}, fmt.Errorf("package %q: invalid architecture %q", name, arch)
	case epoch != "(none)" && (epoch == "" || strings.Trim(epoch, "0123456789") != ""):
		return inventory.Package{}, fmt.Errorf("package %q: invalid epoch %q", name, epoch)
	}
	source, sourceVersion, ok := splitSource(file)
	if !ok {
		source, sourceVersion = name, version
	}
	if epoch != "(none)" {
		version = epoch + ":" + version
	}
	none := func(s string) string {
		if s == "(none)" {
			return ""
		}
		return inventory.Text(s)
	}
	return inventory.Package{
		Type: "rpm", Name: inventory.Text(name), Version: inventory.Text(version), Arch: none(arch),
		Source: inventory.Text(source), SourceVersion: inventory.Text(sourceVersion), Vendor: none(vendor),
	}, nil
}
