package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"debug/elf"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"assay/check/peers"
)

// readFiles adds the packages in Java archives and in programs.
func readFiles(ctx context.Context, s *tree) error {
	var archives, programs []string
	err := filepath.WalkDir(s.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if s.skip != "" && path == filepath.Join(s.root, s.skip) {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		if slices.Contains(archiveExts(), filepath.Ext(path)) {
			archives = append(archives, path)
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if (info.Mode()&0o111 != 0 || strings.Contains(d.Name(), ".so")) && isELF(path) {
			programs = append(programs, path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.readArchives(ctx, archives); err != nil {
		return err
	}
	if err := s.readModules(ctx, programs); err != nil {
		return err
	}
	return s.readCrates(programs)
}

func archiveExts() []string { return []string{".jar", ".war", ".ear"} }

func isELF(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, 4)
	_, err = io.ReadFull(f, magic)
	return err == nil && string(magic) == elf.ELFMAG
}

// pythonPOMs prints, as JSON, the package in each pom.properties of the given archives and
// of the archives in them.
const pythonPOMs = `
import io, json, sys, zipfile
found = []
def read(file):
    with zipfile.ZipFile(file) as z:
        for name in z.namelist():
            if name.endswith("/pom.properties"):
                lines = z.read(name).decode().splitlines()
                p = dict(l.split("=", 1) for l in lines if "=" in l and l[0] != "#")
                found.append({"name": p["groupId"].strip() + ":" + p["artifactId"].strip(), "version": p["version"].strip()})
            elif name.endswith((".jar", ".war", ".ear")):
                read(io.BytesIO(z.read(name)))
for path in sys.stdin.read().splitlines():
    read(path)
print(json.dumps(found))
`

func (s *tree) readArchives(ctx context.Context, paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	cmd := exec.CommandContext(ctx, "python3", "-c", pythonPOMs)
	cmd.Stdin = strings.NewReader(strings.Join(paths, "\n"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	var all []namedVersion
	if err := json.Unmarshal(out, &all); err != nil {
		return err
	}
	s.addPackages("pom.properties", "maven", all...)
	return nil
}

// readModules adds the modules that the go command prints.
func (s *tree) readModules(ctx context.Context, programs []string) error {
	var all []namedVersion
	for chunk := range slices.Chunk(programs, 500) {
		// 1: one of them was not made by Go.
		out, err := peers.Output(ctx, nil, []int{1}, "go", append([]string{"version", "-m"}, chunk...)...)
		if err != nil {
			return err
		}
		all = append(all, modules(string(out))...)
	}
	if len(all) > 0 {
		s.addPackages("go version -m", "golang", all...)
	}
	return nil
}

// modules returns the modules in what "go version -m" prints of a program, and the
// toolchain as the package stdlib. The result has the replacement of a replaced module,
// unless that is a folder.
func modules(text string) []namedVersion {
	var all []namedVersion
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case len(f) == 1:
			if _, version, ok := strings.Cut(line, ": go"); ok {
				version, _, _ = strings.Cut(strings.TrimSpace(version), " ")
				all = append(all, namedVersion{"stdlib", version})
			}
		case len(f) >= 4 && (f[1] == "mod" || f[1] == "dep"):
			all = append(all, namedVersion{f[2], f[3]})
		case len(f) >= 4 && f[1] == "=>":
			if last := &all[len(all)-1]; f[3] != "" {
				*last = namedVersion{f[2], f[3]}
			} else {
				last.Version = "(devel)"
			}
		}
	}
	return all
}

// readCrates reads the lists of cargo-auditable.
func (s *tree) readCrates(programs []string) error {
	var all []namedVersion
	for _, path := range programs {
		f, err := elf.Open(path)
		if err != nil {
			continue
		}
		section := f.Section(".dep-v0")
		var data []byte
		if section != nil {
			data, err = section.Data()
		}
		f.Close()
		if err != nil {
			return err
		}
		if section == nil {
			continue
		}
		found, err := crates(data)
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	if len(all) > 0 {
		s.addPackages(".dep-v0", "cargo", all...)
	}
	return nil
}

// crates returns the crates of a list, without those that only the build used.
func crates(data []byte) ([]namedVersion, error) {
	r, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var doc struct {
		Packages []struct{ Name, Version, Kind string }
	}
	if err := json.NewDecoder(r).Decode(&doc); err != nil {
		return nil, err
	}
	var all []namedVersion
	for _, p := range doc.Packages {
		if p.Kind != "build" {
			all = append(all, namedVersion{p.Name, p.Version})
		}
	}
	return all, nil
}
