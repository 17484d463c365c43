package java

import (
	"slices"
	"strings"
	"unicode/utf8"

	"assay/inspect/fixture"
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
	return mayBeArchive(name) && slices.Contains(exts[:], extension(name)) && hasClasses(name)
}

// mayBeArchive is false for the names whose last letter is that of no ending, as nearly
// all in an archive are. A letter beyond ASCII may be one in lower case.
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
//   - what build tools keep for themselves, the caches of Gradle, Ivy and Coursier:
//     a program is given what it uses of them, or was not built there. Programs do
//     run from Maven's local repository;
//   - the source trees of Go modules, and what the tests need in those of Java and
//     in the packages of other languages;
//   - test data and documentation.
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

// repository is where Maven keeps what it downloaded, unless told otherwise.
const repository = ".m2/repository"

// InRepository reports whether a path is one in Maven's local repository.
func InRepository(path string) bool { return within(path, repository) >= 0 }

// repositoryCoordinates returns the coordinates that the path of an archive in Maven's
// local repository says, GROUP/ARTIFACT/VERSION/ARTIFACT-VERSION.jar with the group as
// folders; their zero value elsewhere.
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

// InContext reports whether what Wants wants can depend on a folder of this name in the
// path.
func InContext(name string) bool {
	switch name {
	case ".m2", ".gradle", ".ivy2", ".sbt", ".cache", "mod", "test", "tests", "testFixtures",
		"node_modules", "site-packages", "dist-packages", "gems":
		return true
	}
	return false
}
