package node

import (
	"strings"

	"assay/inspect/fixture"
	"assay/inspect/ident"
)

const (
	manifest = "package.json"
	modules  = "node_modules"
)

// Wants reports whether the package.json at path, relative to the root, is at the root
// of an installed package. npm and Node.js find packages in these places:
//
//   - DIR/node_modules/NAME and, below, NAME/node_modules/NAME, to any depth. A folder
//     node_modules that is deeper inside a package does not count: it contains test
//     data or code that is compiled into the package, and npm does not list it;
//   - node_modules/.pnpm/KEY/node_modules/NAME, and the same in .store, .bun, .deno,
//     .vlt and .aspect_rules_js, where pnpm, npm's linked installations, Bun, Deno, vlt
//     and rules_js keep the files that node_modules links to;
//     node_modules/.store/KEY/package of Yarn and node_modules/.nitro/NAME@VERSION of
//     Nitro;
//   - NAME in the folders of Debian's Node.js: /usr/share/nodejs, /usr/lib/nodejs, and
//     nodejs in the folder of the architecture in /usr/lib;
//   - /opt/yarn-vVERSION, where the official images have Yarn;
//   - npm/REGISTRY/NAME/VERSION in Deno's global cache, from which Deno runs packages
//     without a folder node_modules;
//   - corepack/v1/NAME/VERSION, the package managers that Corepack has installed. Yarn
//     2 and later have a file .corepack instead of a package.json;
//   - node_modules/meteor/NAME/node_modules/NAME below programs/server/npm, the
//     packages of a Meteor package, and node_modules in code-server's lib/vscode.
//
// NAME may have a scope. Names that begin with a dot are not packages but internal
// folders of package managers. The cache of Yarn 1, which looks like the first of these
// places, and folders of test data and documentation do not count.
func Wants(path string) bool {
	_, ok := folderName(path)
	return ok || wantsCorepack(path) && !fixture.In(path)
}

// folderName returns the name of the package according to the folder of its
// package.json, empty if the folder has no such name, and whether Wants wants the file.
func folderName(path string) (string, bool) {
	dir, ok := strings.CutSuffix(path, "/"+manifest)
	if !ok {
		return "", false
	}
	if version, ok := strings.CutPrefix(dir, "opt/yarn-v"); ok {
		return "", !strings.Contains(version, "/")
	}
	if name, ok := cutDeno(dir); ok {
		return name, !fixture.In(dir)
	}
	if name, ok := cutCorepack(dir); ok {
		return name, !fixture.In(dir)
	}
	rest, ok := cutDebian(dir)
	if !ok {
		var project string
		project, rest, ok = cutModules(dir)
		if !ok || fixture.In(project) || inYarnCache(project) {
			return "", false
		}
		rest = belowMeteor(project, rest)
	}
	return lastName(rest)
}

// cutDeno returns the name of the package whose files Deno keeps in dir: NAME/VERSION
// below npm/REGISTRY in its cache. The cache is named deno-dir, as in Deno's images, or
// .cache/deno; with npm's registry it may have any name.
func cutDeno(dir string) (name string, ok bool) {
	const npm, registry = "/npm/", "registry.npmjs.org/"
	for at := 0; ; {
		i := strings.Index(dir[at:], npm)
		if i < 0 {
			return "", false
		}
		at += i + len(npm) - 1
		cache, rest := dir[:at-len(npm)+1], dir[at+1:]
		if !strings.HasPrefix(rest, registry) && !isFolder(cache, "deno-dir") && !isFolder(cache, ".cache/deno") {
			continue
		}
		_, rest, _ = strings.Cut(rest, "/")
		name, version, more := cutEntry(rest)
		return name, more && isVersionFolder(version) && !isHidden(name)
	}
}

// cutCorepack returns the name of the package manager that Corepack keeps in dir.
func cutCorepack(dir string) (name string, ok bool) {
	const folder = "corepack/"
	i := strings.Index(dir, folder)
	if i < 0 || i > 0 && dir[i-1] != '/' {
		return "", false
	}
	rest := strings.TrimPrefix(dir[i+len(folder):], "v1/")
	name, version, more := strings.Cut(rest, "/")
	return name, more && (name == "npm" || name == "pnpm" || name == "yarn") && isVersionFolder(version)
}

// isFolder reports whether path is a folder with this name.
func isFolder(path, name string) bool {
	parent, ok := strings.CutSuffix(path, name)
	return ok && (parent == "" || strings.HasSuffix(parent, "/"))
}

// isVersionFolder reports whether s is a single folder name that can be a version.
func isVersionFolder(s string) bool {
	return s != "" && ident.IsDigit(s[0]) && !strings.Contains(s, "/")
}

// belowMeteor removes meteor/NAME/node_modules from a path inside node_modules of a
// Meteor application.
func belowMeteor(project, rest string) string {
	if !isFolder(project, "programs/server/npm") {
		return rest
	}
	if below, ok := strings.CutPrefix(rest, "meteor/"); ok {
		if _, below, ok = strings.Cut(below, "/"); ok {
			if below, ok = strings.CutPrefix(below, modules+"/"); ok {
				return below
			}
		}
	}
	return rest
}

// cutDebian returns the part of dir that is below a folder of Debian's Node.js.
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

// cutModules splits dir at its first folder node_modules, or at node_modules_VERSION in
// /usr/lib, which Fedora and Red Hat have for each version of Node.js.
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

// inYarnCache reports whether a folder is in the cache of Yarn 1, such as
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

// lastName follows a path inside node_modules to the package at its end and returns the
// package's name.
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
		} else if entry == "code-server" {
			rest = belowVSCode(rest)
		}
		var ok bool
		if path, ok = strings.CutPrefix(rest, modules+"/"); !ok {
			return "", false
		}
	}
}

// belowVSCode removes the folder of the editor, or of one of its extensions, from a
// path in code-server, where the editor and the extensions have their packages.
func belowVSCode(path string) string {
	rest, ok := strings.CutPrefix(path, "lib/vscode/")
	if !ok {
		return path
	}
	if extension, ok := strings.CutPrefix(rest, "extensions/"); ok {
		if !strings.HasPrefix(extension, modules+"/") {
			_, extension, _ = strings.Cut(extension, "/")
		}
		return extension
	}
	return rest
}

// afterKey returns the part of a path in a store below a package's key. In npm's keys
// the scope is a separate folder.
func afterKey(path string) string {
	key, rest, _ := strings.Cut(path, "/")
	if strings.HasPrefix(key, "@") && strings.Contains(rest, "/"+modules+"/") && !strings.HasPrefix(rest, modules+"/") {
		_, rest, _ = strings.Cut(rest, "/")
	}
	return rest
}

// cutEntry cuts NAME or @SCOPE/NAME off the beginning of a path. A scope alone is not
// an entry.
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

// isStore reports whether an entry of node_modules contains the files of linked
// packages.
func isStore(entry string) bool {
	switch entry {
	case ".pnpm", ".store", ".bun", ".deno", ".vlt", ".aspect_rules_js":
		return true
	}
	return false
}

// isHidden reports whether an entry's name, without its scope, begins with a dot. npm
// renames packages in this way before it removes them.
func isHidden(entry string) bool {
	return strings.HasPrefix(entry[strings.LastIndexByte(entry, '/')+1:], ".")
}

// InContext reports whether the result of Wants can depend on a folder of this name in
// the path.
func InContext(name string) bool {
	switch name {
	case modules, "nodejs":
		return true
	}
	return strings.HasPrefix(name, modules+"_") || strings.HasPrefix(name, "yarn-v") || strings.HasPrefix(name, "npm-")
}
