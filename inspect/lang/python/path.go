package python

import (
	"strings"

	"assay/inspect/fixture"
	"assay/inspect/ident"
)

// MetadataBases returns the names of the files that WantsMetadata decides about.
func MetadataBases() []string { return []string{"METADATA", "PKG-INFO"} }

// MetadataExts returns the extensions of further files that WantsMetadata decides
// about.
func MetadataExts() []string { return []string{".egg-info"} }

// WantsMetadata reports whether the file at path, relative to the root, is the record
// of an installed package: METADATA or PKG-INFO in a folder with the extension
// .dist-info or .egg-info or in the folder EGG-INFO of an egg, or a file with the
// extension .egg-info. The case of extensions is ignored, as in Python.
//
// The location decides whether a record counts:
//
//   - directly in a folder site-packages or dist-packages it counts, wherever the
//     folder is: in the system, a virtual environment or a conda environment;
//   - deeper in such a folder it does not: it is part of a package, such as the
//     vendored packages in setuptools/_vendor, and pip does not list it;
//   - in any other folder, which "pip install --target" allows, it counts if its name
//     has a version (NAME-VERSION.dist-info). Without a version it was left in a source
//     tree by a build. An editable installation has its record in site-packages;
//     "setup.py develop" leaves only a link without a version (.egg-link) there, which
//     is not seen.
//
// It does not count below folders of test data and documentation (package fixture), nor
// in conda's folder of unpacked packages (pkgs/NAME-VERSION-BUILD). Outside
// site-packages it also does not count below folders of tests, vendored code, builds
// and caches: the caches of uv and virtualenv contain unpacked wheels. A name that does
// not begin with a letter or digit ("~ip-23.0.dist-info") was left by pip when it could
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

// isInstalled reports whether a record with the name record counts in the folder dir.
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

// isLibrary reports whether Python looks for packages in a folder with this name.
func isLibrary(name string) bool { return name == "site-packages" || name == "dist-packages" }

// isApart reports whether nothing below a folder with this name is installed, except in
// a site-packages there: tests, vendored code, what setuptools fetches for building
// (.eggs) or builds (bdist.linux-x86_64), and caches. uv has unpacked wheels in
// archive-v0, virtualenv in wheel/…/CopyPipInstall.
func isApart(name string) bool {
	switch name {
	case "test", "tests", "_vendor", "_vendored", ".eggs", ".cache", "CopyPipInstall", "SymlinkPipInstall":
		return true
	}
	version, ofUV := strings.CutPrefix(name, "archive-v")
	return strings.HasPrefix(name, "bdist.") || ofUV && version != "" && ident.IsDigit(version[0])
}

// hasVersion reports whether the name of a record contains a version, which begins with
// "-" and a digit.
func hasVersion(record string) bool {
	for i := range len(record) - 1 {
		if record[i] == '-' && ident.IsDigit(record[i+1]) {
			return true
		}
	}
	return false
}

// split splits path at its last slash.
func split(path string) (dir, base string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

// hasSuffixFold reports whether s ends in suffix, ignoring case, and is longer than
// suffix.
func hasSuffixFold(s, suffix string) bool {
	return len(s) > len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// InContext reports whether the result of WantsMetadata, WantsEgg or WantsConda can
// depend on a folder of this name in the path.
func InContext(name string) bool {
	switch name {
	case "conda-meta", "pkgs", "EGG-INFO", "egg-info":
		return true
	}
	return isLibrary(name) || isApart(name) || strings.HasPrefix(name, "archive-v") ||
		strings.HasSuffix(name, "-info") || strings.HasSuffix(name, ".egg")
}
