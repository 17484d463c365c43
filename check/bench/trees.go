package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/advisory/load"
)

// size is the number of packages of the scan that the budget is for.
const size = 400

// A tree is what is in one image.
type tree struct {
	name     string
	system   inventory.System
	packages []inventory.Package
}

// trees returns the kinds of images that scans are measured with.
func (b *builder) trees(ctx context.Context, c config, dir string) ([]tree, error) {
	all, err := debian(ctx, c, dir)
	if err != nil {
		return nil, err
	}
	old := all
	old.name, old.packages = "Debian 12 with a compiler, never upgraded", all.packages[:size]
	patched, err := b.patched(ctx, all)
	if err != nil {
		return nil, err
	}
	libraries, err := libraries(c)
	if err != nil {
		return nil, err
	}
	return append(append([]tree{patched}, libraries...), old), nil
}

// document is a scan of a tree as assay sends it. The versions of its last
// packages, as many as fresh, are such as no other document has.
func (b *builder) document(t tree, fresh int) ([]byte, error) {
	b.sent++
	packages := slices.Clone(t.packages)
	for i := range packages[len(packages)-fresh:] {
		p := &packages[len(packages)-fresh+i]
		p.Version += fmt.Sprintf("+bench%d", b.sent)
		if p.SourceVersion != "" {
			p.SourceVersion += fmt.Sprintf("+bench%d", b.sent)
		}
	}
	inv := inventory.Inventory{System: t.system, Packages: packages}
	inv.Sort()
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	err := cyclonedx.Encode(z, cyclonedx.Scan{
		Inventory: inv,
		Options:   []cyclonedx.Option{{Name: "commit", Value: fmt.Sprintf("%040x", b.sent), Origin: "flag"}},
		Client:    "bench",
	})
	if err = errors.Join(err, z.Close()); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}

// debian is the tree of two real package databases together, in their order.
func debian(ctx context.Context, c config, dir string) (tree, error) {
	root := filepath.Join(dir, "root")
	db := filepath.Join(root, "var/lib/dpkg")
	for _, d := range []string{db, filepath.Join(root, "etc")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return tree{}, err
		}
	}
	if err := os.WriteFile(filepath.Join(root, "etc/os-release"), []byte("ID=debian\nVERSION_ID=12\n"), 0o644); err != nil {
		return tree{}, err
	}
	var order []string
	var stanzas []string
	seen := map[string]bool{}
	for _, source := range []string{"debian12-app", "claircore-texlive"} {
		b, err := gunzip(filepath.Join(c.testdata, "pkgdb/dpkg", source, "var/lib/dpkg/status.gz"))
		if err != nil {
			return tree{}, err
		}
		for stanza := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n\n") {
			first, _, _ := strings.Cut(stanza, "\n")
			if name := strings.TrimPrefix(first, "Package: "); !seen[name] {
				seen[name] = true
				order, stanzas = append(order, name), append(stanzas, stanza)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(db, "status"), []byte(strings.Join(stanzas, "\n\n")+"\n"), 0o644); err != nil {
		return tree{}, err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(c.dist, "assay"), "inventory", "--root", root).Output()
	if err != nil {
		return tree{}, fmt.Errorf("inventory: %w", err)
	}
	s, err := cyclonedx.Decode(bytes.NewReader(out), cyclonedx.DefaultLimits())
	if err != nil {
		return tree{}, err
	}
	packages := s.Inventory.Packages
	place := func(p inventory.Package) int { return slices.Index(order, p.Name) }
	slices.SortStableFunc(packages, func(a, b inventory.Package) int { return place(a) - place(b) })
	if len(packages) < size {
		return tree{}, fmt.Errorf("the test data has %d packages of Debian, not %d", len(packages), size)
	}
	return tree{system: s.Inventory.System, packages: packages}, nil
}

// patched is the tree of an image that is built on a newest base: every package is
// upgraded to its fix, and without the headers of the kernel, which no
// image needs to run. What has no fix is still found.
func (b *builder) patched(ctx context.Context, all tree) (tree, error) {
	t := tree{name: "Debian 12, up to date", system: all.system}
	for _, p := range all.packages {
		if p.Source != "linux" && len(t.packages) < size {
			t.packages = append(t.packages, p)
		}
	}
	for range 3 { // one fix may be in the range of another record
		body, err := b.document(t, 0)
		if err != nil {
			return tree{}, err
		}
		v, err := b.scan(ctx, body)
		if err != nil {
			return tree{}, err
		}
		for _, f := range v.Findings {
			for i := range t.packages {
				if i%20 == 0 {
					continue // someone is always late
				}
				if p := &t.packages[i]; p.Name == f.Package.Name && p.Arch == f.Package.Arch && f.Fixed != "" {
					p.Version, p.SourceVersion = f.Fixed, f.Fixed
				}
			}
		}
	}
	return t, nil
}

// libraries are trees of packages of several languages, as many of each, all of
// them such as have advisories: one in the version that the first of these calls
// fixed, and one in the version that the last does.
func libraries(c config) ([]tree, error) {
	ecosystems := [...]struct{ folder, typ string }{
		{"PyPI", "pypi"}, {"Go", "golang"}, {"Maven", "maven"}, {"RubyGems", "gem"}, {"crates.io", "cargo"},
	}
	debian := inventory.System{ID: "debian", VersionID: "12"}
	newest := tree{name: "libraries of five languages, upgraded", system: debian}
	oldest := tree{name: "libraries of five languages, never upgraded", system: debian}
	for _, e := range ecosystems {
		first, last := map[string]string{}, map[string]string{}
		for r, err := range load.Open(filepath.Join(c.testdata, "osv", e.folder, "all.zip")).Records() {
			if err != nil {
				return nil, err
			}
			for _, f := range r.Fixes {
				if f.Ecosystem == e.folder {
					first[f.Package] = cmp.Or(first[f.Package], f.Version)
					last[f.Package] = f.Version
				}
			}
		}
		names := slices.Sorted(maps.Keys(first))
		want := size / len(ecosystems)
		if len(names) < want {
			return nil, fmt.Errorf("the records of %s name %d packages with a fix, not %d", e.folder, len(names), want)
		}
		for i := range want { // spread over the alphabet
			name := names[i*len(names)/want]
			p := inventory.Package{Type: e.typ, Name: name, Version: first[name],
				Evidence: []inventory.Evidence{{Path: "srv/app/" + name, Kind: e.typ}}}
			oldest.packages = append(oldest.packages, p)
			p.Version = last[name]
			newest.packages = append(newest.packages, p)
		}
	}
	return []tree{newest, oldest}, nil
}

func gunzip(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return io.ReadAll(unpacked)
}
