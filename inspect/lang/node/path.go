package node

import (
	"strings"

	"assay/inspect/lang/fixture"
)

const (
	manifest = "package.json"
	modules  = "node_modules"
)

// Wants reports whether the package.json at path, relative to the root, is at
// the root of an installed package. These are, as npm and Node.js find them:
//
//   - DIR/node_modules/NAME and, below, NAME/node_modules/NAME, to any depth. A
//     folder node_modules that lies deeper in a package is none: what packages
//     have there is test data or compiled into them, and npm does not list it;
//   - node_modules/.pnpm/KEY/node_modules/NAME and its like in .store, .bun and
//     .deno, where pnpm, npm's linked installations, Bun and Deno keep the files
//     of what node_modules links to; node_modules/.store/KEY/package of Yarn and
//     node_modules/.nitro/NAME@VERSION of Nitro;
//   - NAME in the folders where Debian's Node.js looks, /usr/share/nodejs and
//     nodejs in /usr/lib and below it for the architecture;
//   - /opt/yarn-vVERSION, where the official images have Yarn.
//
// NAME may have a scope. Names that begin with a dot are not packages, but what
// package managers keep for themselves. Not installed is what lies in the cache
// of Yarn 1, which has the form of the first, and in folders of test data and
// documentation.
func Wants(path string) bool {
	_, ok := folderName(path)
	return ok
}

// folderName returns the name that the folder of a package.json gives to its
// package, empty where it gives none, and whether Wants wants it.
func folderName(path string) (string, bool) {
	dir, ok := strings.CutSuffix(path, "/"+manifest)
	if !ok {
		return "", false
	}
	if version, ok := strings.CutPrefix(dir, "opt/yarn-v"); ok {
		return "", !strings.Contains(version, "/")
	}
	rest, ok := cutDebian(dir)
	if !ok {
		var project string
		project, rest, ok = cutModules(dir)
		if !ok || fixture.In(project) || inYarnCache(project) {
			return "", false
		}
	}
	return lastName(rest)
}

// cutDebian returns what of dir is below a folder of Debian's Node.js.
func cutDebian(dir string) (string, bool) {
	if rest, ok := strings.CutPrefix(dir, "usr/share/nodejs/"); ok {
		return rest, true
	}
	rest, ok := strings.CutPrefix(dir, "usr/lib/")
	if !ok {
		return "", false
	}
	if below, ok := strings.CutPrefix(rest, "nodejs/"); ok {
		// The archives of the Node.js project are often unpacked there.
		return below, !strings.HasPrefix(below, "node-v")
	}
	_, rest, _ = strings.Cut(rest, "/") // the architecture
	return strings.CutPrefix(rest, "nodejs/")
}

// cutModules divides dir at its first folder node_modules, or node_modules_VERSION
// in /usr/lib, which Fedora and Red Hat have for each version of Node.js.
func cutModules(dir string) (project, rest string, ok bool) {
	if below, ok := strings.CutPrefix(dir, "usr/lib/"+modules+"_"); ok {
		_, rest, ok = strings.Cut(below, "/")
		return "usr/lib", rest, ok
	}
	if rest, ok := strings.CutPrefix(dir, modules+"/"); ok {
		return "", rest, true
	}
	return strings.Cut(dir, "/"+modules+"/")
}

// inYarnCache reports whether a folder is one of the cache of Yarn 1, as in
// v6/npm-lodash-4.17.21-679591c564c3bffaae8454cf0b3df370c3d6911c-integrity.
func inYarnCache(project string) bool {
	i := strings.LastIndexByte(project, '/')
	if i < 0 || !strings.HasPrefix(project[i+1:], "npm-") {
		return false
	}
	version := project[strings.LastIndexByte(project[:i], '/')+1 : i]
	digits, ok := strings.CutPrefix(version, "v")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// lastName follows a path from a folder node_modules to the package that it ends
// with, and returns that package's name there.
func lastName(path string) (string, bool) {
	for {
		entry, rest, more := cutEntry(path)
		if isStore(entry) && more {
			rest = afterKey(rest)
			if below, ok := strings.CutPrefix(rest, "package"); ok && entry == ".store" {
				if below == "" {
					return "", true
				}
				rest = strings.TrimPrefix(below, "/")
			}
		} else if entry == ".nitro" && more {
			var key string
			if key, rest, more = cutEntry(rest); isHidden(key) || key == "" {
				return "", false
			}
			if !more {
				return "", true
			}
		} else if isHidden(entry) || entry == "" {
			return "", false
		} else if !more {
			return entry, true
		}
		var ok bool
		if path, ok = strings.CutPrefix(rest, modules+"/"); !ok {
			return "", false
		}
	}
}

// afterKey returns what of a path in a store is below a package's key. npm's keys
// have the scope as a folder of its own.
func afterKey(path string) string {
	key, rest, _ := strings.Cut(path, "/")
	if strings.HasPrefix(key, "@") && strings.Contains(rest, "/"+modules+"/") && !strings.HasPrefix(rest, modules+"/") {
		_, rest, _ = strings.Cut(rest, "/")
	}
	return rest
}

// cutEntry cuts NAME or @SCOPE/NAME off the beginning of a path. A scope alone is
// no entry.
func cutEntry(path string) (entry, rest string, more bool) {
	entry, rest, more = strings.Cut(path, "/")
	if !strings.HasPrefix(entry, "@") {
		return entry, rest, more
	}
	if !more {
		return "", "", false
	}
	name, rest, more := strings.Cut(rest, "/")
	return path[:len(entry)+1+len(name)], rest, more
}

// isStore reports whether an entry of node_modules holds the files of packages
// that are linked to.
func isStore(entry string) bool {
	switch entry {
	case ".pnpm", ".store", ".bun", ".deno":
		return true
	}
	return false
}

// isHidden reports whether an entry's name, without its scope, begins with a dot:
// npm renames so what it is about to remove.
func isHidden(entry string) bool {
	return strings.HasPrefix(entry[strings.LastIndexByte(entry, '/')+1:], ".")
}
