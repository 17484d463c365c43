package python

import (
	"strings"

	"assay/inspect/fixture"
	"assay/inspect/ident"
)

// MetadataBases are the names of the files that ReadMetadata reads, where
// WantsMetadata says so.
func MetadataBases() []string { return []string{"METADATA", "PKG-INFO"} }

// MetadataExts are the endings of further files that ReadMetadata reads, where
// WantsMetadata says so.
func MetadataExts() []string { return []string{".egg-info"} }

// WantsMetadata reports whether the file at path, relative to the root, is the
// record of an installed package: METADATA or PKG-INFO in a folder of the ending
// .dist-info or .egg-info or in the folder EGG-INFO of an egg, or itself of the
// ending .egg-info. As for Python, case does not matter in the endings.
//
// Where it may lie:
//
//   - directly in a folder site-packages or dist-packages, whatever is above:
//     those of the system, of virtual environments, of conda;
//   - not deeper in such a folder: that is part of a package, like what setuptools
//     has vendored in setuptools/_vendor, and pip does not list it;
//   - in any other folder, since "pip install --target" takes any, if the record's
//     name has a version (NAME-VERSION.dist-info). One without is what building
//     leaves in a source tree. An editable installation has its record in
//     site-packages; those of "setup.py develop" have there a link only
//     (.egg-link, without version) and are not seen.
//
// Nowhere below folders of test data and documentation (package fixture), nor in
// conda's folder of unpacked packages (pkgs/NAME-VERSION-BUILD). In a folder that
// is not site-packages also not below folders of tests, vendored code, building and
// caches: those of uv and virtualenv hold unpacked wheels. A name that begins with
// neither letter nor digit ("~ip-23.0.dist-info") is what pip leaves when it could
// not remove a package.
func WantsMetadata(path string) bool {
	dir, record := split(path)
	if record == "METADATA" || record == "PKG-INFO" {
		dir, record = split(dir)
		if strings.EqualFold(record, "EGG-INFO") {
			dir, record = split(dir)
			return hasSuffixFold(record, ".egg") && isInstalled(dir, record)
		}
		if hasSuffixFold(record, ".dist-info") {
			return isInstalled(dir, record)
		}
	}
	return hasSuffixFold(record, ".egg-info") && isInstalled(dir, record)
}

// isInstalled reports whether the record of a package that is called record counts
// in the folder dir.
func isInstalled(dir, record string) bool {
	if !ident.IsAlnum(record[0]) || fixture.In(dir) {
		return false
	}
	within := false // below a folder of packages
	apart := false
	var above string
	for name := range strings.SplitSeq(dir, "/") {
		if above == "pkgs" && strings.Count(name, "-") >= 2 {
			return false
		}
		within = within || isLibrary(name)
		apart = apart || isApart(name)
		above = name
	}
	return isLibrary(above) || !within && !apart && hasVersion(record)
}

// isLibrary reports whether a folder of this name is one of those where Python
// looks for packages.
func isLibrary(name string) bool { return name == "site-packages" || name == "dist-packages" }

// isApart reports whether what lies below a folder of this name is not installed
// unless it lies in a site-packages there: tests, vendored code, what setuptools
// fetched for building (.eggs) or built (bdist.linux-x86_64), and caches. Of those
// uv has its unpacked wheels in archive-v0, virtualenv in wheel/…/CopyPipInstall.
func isApart(name string) bool {
	switch name {
	case "test", "tests", "_vendor", "_vendored", ".eggs", ".cache", "CopyPipInstall", "SymlinkPipInstall":
		return true
	}
	version, ofUV := strings.CutPrefix(name, "archive-v")
	return strings.HasPrefix(name, "bdist.") || ofUV && version != "" && ident.IsDigit(version[0])
}

// hasVersion reports whether a record's name is a package's with its version:
// "-" and a digit begin the latter.
func hasVersion(record string) bool {
	for i := range len(record) - 1 {
		if record[i] == '-' && ident.IsDigit(record[i+1]) {
			return true
		}
	}
	return false
}

// split returns what is before the last slash of path, and what is after it.
func split(path string) (dir, base string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

// hasSuffixFold reports whether s ends in suffix, in whatever case, and has
// something before it.
func hasSuffixFold(s, suffix string) bool {
	return len(s) > len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// InContext reports whether what WantsMetadata, WantsEgg or WantsConda wants can depend on a folder of this name in the
// path.
func InContext(name string) bool {
	switch name {
	case "conda-meta", "pkgs", "EGG-INFO", "egg-info":
		return true
	}
	return isLibrary(name) || isApart(name) || strings.HasPrefix(name, "archive-v") ||
		strings.HasSuffix(name, "-info") || strings.HasSuffix(name, ".egg")
}
