package java

import (
	"slices"
	"strings"

	"assay/inspect/lang/fixture"
)

// exts are Java's own archives, those of application servers (sar, par, rar), and
// the plugins of Jenkins (hpi, jpi), Karaf (kar), Liferay (lpkg) and NiFi (nar).
// All are jars by another name.
var exts = [...]string{".jar", ".war", ".ear", ".sar", ".par", ".rar", ".hpi", ".jpi", ".kar", ".lpkg", ".nar"}

// Exts returns the endings of the files that are wanted.
func Exts() []string { return slices.Clone(exts[:]) }

// shared reports whether an ending is used for files of other kinds too (RAR,
// PAR2, karaoke): one of them that is no jar is none of ours.
func shared(ext string) bool {
	return ext != ".jar" && ext != ".war" && ext != ".ear"
}

// extension returns what a name ends in from its last dot on, in lower case;
// empty where there is no dot.
func extension(name string) string {
	if i := strings.LastIndexByte(name, '.'); i > strings.LastIndexByte(name, '/') {
		return strings.ToLower(name[i:])
	}
	return ""
}

// isArchive reports whether an entry of an archive is an archive, with classes
// in it.
func isArchive(name string) bool {
	return slices.Contains(exts[:], extension(name)) && hasClasses(name)
}

// hasClasses is false for jars that hold sources, documentation or tests of a
// library, and not the library, by the classifiers that Maven and Gradle use.
func hasClasses(name string) bool {
	name = name[:len(name)-len(extension(name))]
	for _, c := range [...]string{"-sources", "-source", "-javadoc", "-tests", "-test-sources", "-test-fixtures"} {
		if strings.HasSuffix(name, c) {
			return false
		}
	}
	return true
}

// Wants reports whether the archive at path, which is relative to the root, is
// installed. These are not:
//
//   - jars of sources, documentation or tests;
//   - what build tools keep for themselves, the caches of Maven, Gradle, Ivy and
//     Coursier: a program is given what it uses of them, or was not built there;
//   - the source trees of Go modules, and what the tests need in those of Java and
//     in the packages of other languages;
//   - test data and documentation.
func Wants(path string) bool {
	if !hasClasses(path) || fixture.In(path[:strings.LastIndexByte(path, '/')+1]) {
		return false
	}
	for _, folder := range [...]string{
		".m2/repository", ".gradle/caches", ".ivy2/cache", ".ivy2/local", ".cache/coursier", ".sbt/boot",
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

// within returns where in path what lies in a folder begins, of the first folder
// called so; -1 if there is none. folder may be several, "src/test".
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
