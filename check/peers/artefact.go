package peers

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// LayArtefact puts an artefact into a root as it would be installed. It copies archives
// and files, and unpacks packed trees. Of programs the data only has the lists of
// modules, which it writes into a program.
func LayArtefact(from, root, language string) error {
	switch language {
	case "go-buildinfo":
		text, err := os.ReadFile(filepath.Join(from, "go-version-m.txt"))
		if err != nil {
			return err
		}
		return WriteProgram(filepath.Join(root, "app/program"), ".go.buildinfo", BuildInfo(string(text)))
	case "rust-audit":
		data, err := os.ReadFile(filepath.Join(from, "dep-v0.zlib"))
		if err != nil {
			return err
		}
		return WriteProgram(filepath.Join(root, "app/program"), ".dep-v0", data)
	}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "expected.json" {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if language == "python" {
			rel = inSitePackages(rel)
		}
		if filepath.Ext(path) == ".zip" {
			return unzip(path, filepath.Join(root, "app"))
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return writeFile(filepath.Join(root, "app", rel), f, 0o644)
	})
}

// inSitePackages returns the path of a file of a Python package in a folder
// site-packages, where it counts as installed. Each folder of the data gets its own.
func inSitePackages(path string) string {
	folders := strings.Split(path, "/")
	i := slices.IndexFunc(folders, func(name string) bool {
		return slices.Contains([]string{".dist-info", ".egg-info"}, strings.ToLower(filepath.Ext(name)))
	})
	if i < 0 {
		return path
	}
	return filepath.Join(strings.Join(folders[:i], "_"), "site-packages", filepath.Join(folders[i:]...))
}

func unzip(path, dir string) error {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return err
	}
	defer archive.Close()
	for _, file := range archive.File {
		if strings.HasSuffix(file.Name, "/") {
			continue
		}
		if !filepath.IsLocal(file.Name) {
			return fmt.Errorf("%q leads out of the folder", file.Name)
		}
		f, err := file.Open()
		if err != nil {
			return err
		}
		err = writeFile(filepath.Join(dir, file.Name), f, 0o644)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, from io.Reader, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}

// NameSystem writes an os-release with a system that has such databases, unless the root
// has one. Without it, Trivy reports no packages. On Debian it also needs debian_version.
func NameSystem(root, kind string) error {
	files := map[string]string{"etc/os-release": "ID=centos\nVERSION_ID=8\n"}
	switch kind {
	case "dpkg":
		files = map[string]string{"etc/os-release": "ID=debian\nVERSION_ID=12\n", "etc/debian_version": "12.0\n"}
	case "apk":
		files = map[string]string{"etc/os-release": "ID=alpine\nVERSION_ID=3.11.6\n"}
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
