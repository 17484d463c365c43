// Package wordpress finds WordPress, its plugins and its themes, by the rules by which
// WordPress itself finds them.
package wordpress

import (
	"errors"
	"io"
	"path"
	"strings"

	"assay/inspect/fixture"
	"assay/inspect/inventory"
)

const (
	// Kind is the kind of the evidence.
	Kind = "wordpress"
	// Limit is how many bytes of a file are read. WordPress reads as many to find a header.
	Limit = 8 << 10

	// typ is the type of the packages, and core the name of WordPress itself.
	typ  = "wordpress"
	core = "core"

	version = "version.php"
	style   = "style.css"
	php     = ".php"
	// maxVersion is how many bytes the version in a header may have.
	maxVersion = 256
)

// Bases returns the names of the files that Wants decides about.
func Bases() []string { return []string{version, style} }

// Exts returns the extensions of the files that WantsPlugin decides about.
func Exts() []string { return []string{php} }

// Folders returns the names of folders. WantsPlugin wants no file unless its folder, or the
// folder above, has one of these names.
func Folders() []string { return []string{"plugins", "mu-plugins"} }

// InContext reports whether the result of Wants or WantsPlugin can depend on a folder of this
// name in the path.
func InContext(name string) bool {
	switch name {
	case "wp-content", "wp-includes", "plugins", "mu-plugins", "themes":
		return true
	}
	return false
}

// Wants reports whether the file at path, relative to the root, has the version of WordPress,
// wp-includes/version.php, or can be the stylesheet of a theme.
func Wants(path string) bool {
	_, ok := theme(path)
	return ok || isCore(path)
}

// WantsPlugin reports whether WordPress looks for the header of a plugin in the file at path,
// relative to the root: plugins/*.php, plugins/*/*.php or mu-plugins/*.php.
func WantsPlugin(path string) bool {
	_, ok := plugin(path)
	return ok
}

func isCore(path string) bool {
	dir, ok := strings.CutSuffix("/"+path, "/wp-includes/"+version)
	return ok && !fixture.In(strings.TrimPrefix(dir, "/"))
}

// plugin returns the slug of the plugin whose header may be in the file at p: the name of its
// folder, or that of the file if it is in no folder of its own.
func plugin(p string) (slug string, ok bool) {
	slug, ok = strings.CutSuffix(path.Base(p), php)
	if !ok || strings.HasPrefix(slug, ".") || slug == "" {
		return "", false
	}
	dir := path.Dir(p)
	content, folder := path.Split(dir)
	switch {
	case folder == "mu-plugins" && isContent(content):
		return slug, true
	case folder == "plugins" && isContent(content):
		if slug == "hello" {
			slug = "hello-dolly" // its slug on wordpress.org
		}
		return slug, true
	}
	content, plugins := path.Split(path.Clean(content))
	return folder, plugins == "plugins" && !strings.HasPrefix(folder, ".") && isContent(content)
}

// theme returns the slug of the theme whose stylesheet may be the file at p: the name of its
// folder, themes/SLUG or themes/NAME/SLUG.
func theme(p string) (slug string, ok bool) {
	dir, ok := strings.CutSuffix(p, "/"+style)
	if !ok {
		return "", false
	}
	above, slug := path.Split(dir)
	for range 2 {
		content, folder := path.Split(path.Clean(above))
		if folder == "themes" && isContent(content) {
			return slug, !strings.HasPrefix(slug, ".") && slug != "CVS"
		}
		if strings.HasPrefix(folder, ".") || folder == "CVS" {
			return "", false
		}
		above = content
	}
	return "", false
}

// isContent reports whether the folder at p can be the folder of a site's plugins and themes.
// It is named wp-content by default, and may have any other name ("app" in Bedrock). A folder
// with another name does not count inside a plugin, a theme or WordPress itself.
func isContent(p string) bool {
	p = strings.TrimSuffix(p, "/")
	if fixture.In(p) {
		return false
	}
	if path.Base(p) == "wp-content" {
		return true
	}
	for name := range strings.SplitSeq(p, "/") {
		if InContext(name) || name == "wp-admin" {
			return false
		}
	}
	return true
}

// Read reads a file that Wants wants. A stylesheet without the header of a theme has no
// package.
func Read(r io.Reader, path string) ([]inventory.Package, error) {
	text, err := begin(r)
	if err != nil {
		return nil, err
	}
	if isCore(path) {
		return []inventory.Package{readCore(text, path)}, nil
	}
	slug, _ := theme(path)
	return headed(text, "Theme Name", "theme/"+slug, path), nil
}

// ReadPlugin reads a file that WantsPlugin wants. A file without the header of a plugin has
// no package.
func ReadPlugin(r io.Reader, path string) ([]inventory.Package, error) {
	text, err := begin(r)
	if err != nil {
		return nil, err
	}
	slug, _ := plugin(path)
	return headed(text, "Plugin Name", "plugin/"+slug, path), nil
}

// begin returns the beginning of a file.
func begin(r io.Reader) (string, error) {
	buf := make([]byte, Limit)
	n, err := io.ReadFull(r, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	return string(buf[:n]), nil
}

// headed returns the package of a file with a header, which has a value for key. Without a
// version in the header its version is unknown.
func headed(text, key, name, path string) []inventory.Package {
	lines := strings.Split(strings.ReplaceAll(text, "\r", "\n"), "\n")
	if title, _ := header(lines, key); title == "" {
		return nil
	}
	version, last := header(lines, "Version")
	if last && len(text) == Limit {
		version = "" // the rest of it may be missing
	}
	return []inventory.Package{found(name, version, path)}
}

// found returns a package. Text that can be no version is an unknown version.
func found(name, version, path string) inventory.Package {
	if len(version) > maxVersion || strings.ContainsFunc(version, isControl) {
		version = ""
	}
	return inventory.Package{
		Type:     typ,
		Name:     name,
		Version:  inventory.Text(version),
		Evidence: []inventory.Evidence{{Path: path, Kind: Kind}},
	}
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
