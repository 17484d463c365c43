package golang

import (
	"bytes"
	"io"
	"path"
	"runtime/debug"
	"slices"
	"strings"

	"assay/inspect/elf"
)

const (
	constants = ".rodata"
	// maxConstants bounds the constants of a program that are read, in bytes. Kubernetes has
	// 10 MB.
	maxConstants = 256 << 20
	// window is how much is read at once, and maxVersion bounds the length of a version.
	window, maxVersion = 256 << 10, 40
)

// stamped returns the version of a program's own module that its build has written into a
// variable, or an empty text. It is what the build information says of the linker's option -X
// for a variable like main.version, or, for the modules of stamps, the only version in the
// program that ends with a zero byte, as the linker writes the texts of -X. If there are
// several different versions, the text is empty.
func stamped(f *elf.File, info *debug.BuildInfo) string {
	var found []string
	module := withoutMajor(info.Main.Path)
	for _, s := range info.Settings {
		if s.Key == "-ldflags" {
			found = versionsOf(s.Value, module)
		}
	}
	if len(found) == 0 && slices.Contains(stamps(), module) {
		found = constantVersions(f)
	}
	slices.Sort(found)
	if found = slices.Compact(found); len(found) == 1 {
		return found[0]
	}
	return ""
}

// stamps returns the modules whose releases have exactly one version that their build wrote, and
// do not record it: they are built with -trimpath.
func stamps() []string { return []string{"helm.sh/helm", "k8s.io/kubernetes"} }

// withoutMajor returns the path of a module without the major version at its end.
func withoutMajor(module string) string {
	if dir, base := path.Split(module); len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		return strings.TrimSuffix(dir, "/")
	}
	return module
}

// versionsOf returns the versions that options of the linker write into variables of the package
// main, or of a package of the module.
func versionsOf(ldflags, module string) []string {
	var found []string
	for option := range strings.FieldsFuncSeq(ldflags, func(r rune) bool { return r == ' ' || r == '"' || r == '\'' }) {
		name, value, ok := strings.Cut(strings.TrimPrefix(option, "-X="), "=")
		dot := strings.LastIndexByte(name, '.')
		if !ok || dot < 0 {
			continue
		}
		switch strings.ToLower(name[dot+1:]) {
		case "version", "appversion", "buildversion", "gitversion", "gitdescribe":
			if pkg := name[:dot]; pkg == "main" || pkg == module || strings.HasPrefix(pkg, module+"/") {
				found = appendVersion(found, value)
			}
		}
	}
	return found
}

// appendVersion appends a text as the version of a module, if it is that of a release or of one
// before it.
func appendVersion(found []string, text string) []string {
	number, before, _ := strings.Cut(strings.TrimPrefix(text, "v"), "-")
	parts := strings.Split(number, ".")
	if len(parts) != 3 || slices.ContainsFunc(parts, func(p string) bool { return p == "" || strings.Trim(p, "0123456789") != "" }) {
		return found
	}
	word := strings.TrimRight(before, "0123456789.")
	if before != "" && word != "alpha" && word != "beta" && word != "rc" {
		return found // such as the number of commits after a release
	}
	return append(found, "v"+strings.TrimPrefix(text, "v"))
}

// constantVersions returns the versions with a "v" in front and a zero byte behind among the
// constants of a program.
func constantVersions(f *elf.File) []string {
	s, ok := f.Section(constants)
	if !ok || s.Size > maxConstants {
		return nil
	}
	r := io.NewSectionReader(f.At(s.Addr), 0, int64(s.Size))
	var found []string
	buf := make([]byte, window+maxVersion)
	for off := int64(0); off < r.Size(); off += window {
		n, err := r.ReadAt(buf, off)
		if err != nil && err != io.EOF {
			return nil
		}
		for at := 0; at < n; at++ {
			i := bytes.IndexByte(buf[at:n], 'v')
			if i < 0 {
				break
			}
			at += i
			text := buf[at:min(n, at+maxVersion)]
			if end := bytes.IndexByte(text, 0); end > 0 && len(found) < maxVersion {
				found = appendVersion(found, string(text[:end]))
			}
		}
	}
	return found
}
