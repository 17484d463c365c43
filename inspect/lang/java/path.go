package java

import (
	"slices"
	"strings"
	"unicode/utf8"

	"assay/inspect/fixture"
)

// exts are the extensions of Java's own archives, of those of application servers (sar,
// par, rar), and of the plugins of Jenkins (hpi, jpi), Karaf (kar), Liferay (lpkg) and
// NiFi (nar). All of them are jars with another name.
var exts = [...]string{".jar", ".war", ".ear", ".sar", ".par", ".rar", ".hpi", ".jpi", ".kar", ".lpkg", ".nar"}

// Exts returns the extensions of the files that Wants decides about.
func Exts() []string { return slices.Clone(exts[:]) }

// shared reports whether an extension is also used for files of other kinds (RAR, PAR2,
// karaoke). Files with these extensions that are not zip archives are ignored.
func shared(ext string) bool {
	return ext != ".jar" && ext != ".war" && ext != ".ear"
}

// extension returns the extension of a name, from its last dot on, in lower case. It is
// empty if the name has no dot.
func extension(name string) string {
	if i := strings.LastIndexByte(name, '.'); i > strings.LastIndexByte(name, '/') {
		return strings.ToLower(name[i:])
	}
	return ""
}

// isArchive reports whether an entry of an archive is itself an archive with classes.
func isArchive(name string) bool {
	return mayBeArchive(name) && slices.Contains(exts[:], extension(name)) && hasClasses(name)
}

// mayBeArchive quickly rejects most names of entries: those whose last letter is not
// that of an extension. A non-ASCII letter may become an ASCII letter in lower case.
func mayBeArchive(name string) bool {
	if name == "" {
		return false
	}
	last := name[len(name)-1]
	for _, ext := range exts {
		if last|0x20 == ext[len(ext)-1] {
			return true
		}
	}
	return last >= utf8.RuneSelf
}

// hasClasses returns false for jars with sources, documentation or tests of a library,
// which Maven and Gradle mark with classifiers.
func hasClasses(name string) bool {
	name = name[:len(name)-len(extension(name))]
	for _, c := range [...]string{"-sources", "-source", "-javadoc", "-tests", "-test-sources", "-test-fixtures"} {
		if strings.HasSuffix(name, c) {
			return false
		}
	}
	return true
}

// Wants reports whether the archive at path, relative to the root, is installed. These
// are not:
//
//   - jars with sources, documentation or tests;
//   - archives in the caches of the build tools Gradle, Ivy and Coursier: a program
//     gets copies of those that it uses, or was not built there. Programs do run from
//     Maven's local repository;
//   - archives in the source trees of Go modules, and in the tests of Java projects and
//     of packages of other languages;
//   - archives in test data and documentation.
func Wants(path string) bool {
	if !hasClasses(path) || fixture.In(path[:strings.LastIndexByte(path, '/')+1]) {
		return false
	}
	for _, folder := range [...]string{
		".gradle/caches", ".ivy2/cache", ".ivy2/local", ".cache/coursier", ".sbt/boot",
		"pkg/mod", "src/test", "src/testFixtures",
	} {
		if within(path, folder) >= 0 {
			return false
		}
	}
	for _, packages := range [...]string{"node_modules", "site-packages", "dist-packages", "gems"} {
		i := within(path, packages)
		if i < 0 {
			continue
		}
		if within(path[i:], "test") >= 0 || within(path[i:], "tests") >= 0 {
			return false
		}
	}
	return true
}

// repository is the default path of Maven's local repository.
const repository = ".m2/repository"

// InRepository reports whether path is in Maven's local repository.
func InRepository(path string) bool { return within(path, repository) >= 0 }

// repositoryCoordinates returns the coordinates in the path of an archive in Maven's
// local repository, GROUP/ARTIFACT/VERSION/ARTIFACT-VERSION.jar, where the group is
// written as folders. They are the zero value for other paths.
func repositoryCoordinates(path string) coordinates {
	i := within(path, repository)
	if i < 0 {
		return coordinates{}
	}
	parts := strings.Split(path[i:], "/")
	n := len(parts)
	if n < 4 {
		return coordinates{}
	}
	c := coordinates{strings.Join(parts[:n-3], "."), parts[n-3], parts[n-2]}
	base := c.artifact + "-" + strings.TrimSuffix(c.version, "-SNAPSHOT")
	if rest, ok := strings.CutPrefix(parts[n-1], base); !ok || rest == "" || rest[0] != '-' && rest[0] != '.' || !c.valid() {
		return coordinates{}
	}
	return c
}

// within returns the index in path after the first folder with this name, or -1 if
// there is none. folder may have several components, "src/test".
func within(path, folder string) int {
	for from := 0; ; {
		i := strings.Index(path[from:], folder)
		if i < 0 {
			return -1
		}
		i += from
		end := i + len(folder)
		if (i == 0 || path[i-1] == '/') && end < len(path) && path[end] == '/' {
			return end + 1
		}
		from = end
	}
}

// InContext reports whether the result of Wants can depend on a folder of this name in
// the path.
func InContext(name string) bool {
	switch name {
	case ".m2", ".gradle", ".ivy2", ".sbt", ".cache", "mod", "test", "tests", "testFixtures",
		"node_modules", "site-packages", "dist-packages", "gems":
		return true
	}
	return false
}
