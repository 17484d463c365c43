package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// writeImage writes the databases of a root as an image of one layer, in the form of
// "docker save". osv-scanner only finds databases at the root of a filesystem: if it scans
// a folder, that is the root of the machine.
func writeImage(file, root string) error {
	layer, err := layerOf(root)
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
		"history": []map[string]any{{"created_by": "findings"}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{"root:1"}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	image, err := archive(map[string][]byte{"manifest.json": manifest, "config.json": config, "layer.tar": layer})
	if err != nil {
		return err
	}
	return os.WriteFile(file, image, 0o644)
}

// layerOf returns an archive of the files that name the system of a root, and of its
// package databases. Links are followed, and missing files are skipped.
func layerOf(root string) ([]byte, error) {
	files := make(map[string][]byte)
	for _, name := range []string{
		"etc/os-release", "etc/debian_version", "etc/alpine-release", "var/lib/dpkg/status", "var/lib/dpkg/status.d",
		"usr/lib/dpkg/status", "lib/apk/db/installed", "usr/lib/apk/db/installed", "var/lib/rpm",
	} {
		start := filepath.Join(root, filepath.FromSlash(name))
		err := filepath.WalkDir(start, func(file string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			rel, err := filepath.Rel(root, file)
			if err != nil {
				return err
			}
			files[filepath.ToSlash(rel)], err = os.ReadFile(file)
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return archive(files)
}

// archive returns files, by their paths, as a tar archive with their folders.
func archive(files map[string][]byte) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	made := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := folders(w, made, path.Dir(name)); err != nil {
			return nil, err
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(files[name]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func folders(w *tar.Writer, made map[string]bool, dir string) error {
	if dir == "." || made[dir] {
		return nil
	}
	made[dir] = true
	if err := folders(w, made, path.Dir(dir)); err != nil {
		return err
	}
	return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755})
}
