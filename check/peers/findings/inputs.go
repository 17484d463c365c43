package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"assay/check/peers"
	"assay/check/testkit/pkgdb"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/remote/purl"
	"assay/service/advisory"
)

// An input is what both sides evaluate: a root, whose package databases each side reads
// itself, or a bill of materials.
type input struct {
	name      string
	root, bom string // one of them is the path
	inventory inventory.Inventory
}

// inputs yields
//
//   - the package databases of every given root;
//   - every database of the test data from a system that has advisories there;
//   - the packages of languages that Syft finds in every root;
//   - the lists of packages of languages in the test data;
//   - for each ecosystem of a language, the packages in its advisories, in the versions
//     at which their ranges begin and end.
func inputs(ctx context.Context, c config, d *data, tmp string) iter.Seq2[input, error] {
	return func(yield func(input, error) bool) {
		each := func(name string, make func(name string) (input, error)) bool {
			in, err := make(name)
			if err != nil {
				err = fmt.Errorf("%s: %w", name, err)
			}
			return yield(in, err) && err == nil
		}
		for _, root := range c.roots {
			if !each(filepath.Base(root), func(name string) (input, error) { return rootInput(ctx, c.assay, name, root) }) {
				return
			}
		}
		databases, err := pkgdb.All(filepath.Join(c.testdata, "pkgdb"))
		if err != nil {
			yield(input{}, err)
			return
		}
		for _, db := range databases {
			system := systemOf(db)
			if system == "" {
				continue
			}
			if !each(db.String(), func(name string) (input, error) { return databaseInput(ctx, c.assay, name, db, system, tmp) }) {
				return
			}
		}
		for _, root := range c.roots {
			if !each(filepath.Base(root)+"/languages", func(name string) (input, error) { return syftInput(ctx, c.tools, name, root, tmp) }) {
				return
			}
		}
		lists, err := languageLists(filepath.Join(c.testdata, "lang"))
		if err != nil {
			yield(input{}, err)
			return
		}
		maps.Copy(lists, edges(d.byID))
		for _, name := range slices.Sorted(maps.Keys(lists)) {
			if !each(name, func(name string) (input, error) { return billInput(tmp, name, lists[name]) }) {
				return
			}
		}
	}
}

// rootInput reads the package databases of a root with assay.
func rootInput(ctx context.Context, assay, name, root string) (input, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return input{}, err
	}
	out, err := peers.Output(ctx, nil, nil, assay, "inventory", "--root="+root)
	if err != nil {
		return input{}, err
	}
	s, err := cyclonedx.Decode(bytes.NewReader(out), cyclonedx.DefaultLimits())
	if err != nil {
		return input{}, err
	}
	s.Inventory.Packages = slices.DeleteFunc(s.Inventory.Packages, func(p inventory.Package) bool {
		return p.Type != "deb" && p.Type != "apk" && p.Type != "rpm"
	})
	return input{name: name, root: root, inventory: s.Inventory}, nil
}

// systemOf returns the os-release of the system that a database is evaluated as, or an
// empty string if the test data has no advisories for it. The test data has no database
// of AlmaLinux, so those of other rebuilds of the same release are used instead. The
// database of CBL-Mariner 2.0, which has no advisories there, is used for Azure Linux 3.0.
func systemOf(d pkgdb.Database) string {
	switch d.Kind {
	case "dpkg":
		return "ID=debian\nVERSION_ID=12\n"
	case "apk":
		return "ID=alpine\nVERSION_ID=3.11.6\n"
	}
	switch {
	case strings.HasPrefix(d.Name, "centos8-"), strings.HasPrefix(d.Name, "ubi8-"):
		return "ID=almalinux\nVERSION_ID=8.10\n"
	case strings.HasPrefix(d.Name, "rocky-"):
		return "ID=almalinux\nVERSION_ID=9.4\n"
	case strings.HasPrefix(d.Name, "cbl-mariner"):
		return "ID=azurelinux\nVERSION_ID=3.0\n"
	}
	return ""
}

// databaseInput lays out a database of the test data as a root.
func databaseInput(ctx context.Context, assay, name string, d pkgdb.Database, system, tmp string) (input, error) {
	root := filepath.Join(tmp, name)
	if err := d.Lay(root); err != nil {
		return input{}, err
	}
	release := filepath.Join(root, "etc", "os-release")
	if _, err := os.Stat(release); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(release), 0o755); err != nil {
			return input{}, err
		}
		if err := os.WriteFile(release, []byte(system), 0o644); err != nil {
			return input{}, err
		}
	}
	in, err := rootInput(ctx, assay, name, root)
	if err != nil {
		return input{}, err
	}
	for i := range in.inventory.Packages {
		in.inventory.Packages[i].Vendor, in.inventory.Packages[i].SignedBy = "", "" // they name another system than the one in os-release
	}
	return in, nil
}

// syftInput has the packages of languages that Syft finds in a root.
func syftInput(ctx context.Context, tools, name, root, tmp string) (input, error) {
	syft, err := peers.Syft(ctx, tools)
	if err != nil {
		return input{}, err
	}
	out, err := peers.Output(ctx, []string{"SYFT_CHECK_FOR_APP_UPDATE=false"}, nil, syft, "scan", "--quiet", "--output=cyclonedx-json",
		"--override-default-catalogers=image", "--select-catalogers=language,-file", "dir:"+root)
	if err != nil {
		return input{}, err
	}
	s, err := cyclonedx.Decode(bytes.NewReader(out), cyclonedx.DefaultLimits())
	if err != nil {
		return input{}, err
	}
	return billInput(tmp, name, s.Inventory.Packages)
}

// billInput writes a bill of materials of the packages that both sides can look up:
// osv-scanner stops at the first package in an ecosystem without advisories. It contains
// only what a purl can express.
func billInput(tmp, name string, packages []inventory.Package) (input, error) {
	type component struct {
		Type    string `json:"type"`
		Name    string `json:"name"`
		Version string `json:"version"`
		PURL    string `json:"purl"`
	}
	doc := struct {
		Format     string      `json:"bomFormat"`
		Version    string      `json:"specVersion"`
		Components []component `json:"components"`
	}{Format: "CycloneDX", Version: "1.6"}
	seen := make(map[string]bool)
	for _, p := range packages {
		u := purl.Of(p, inventory.System{})
		if ecosystemOf(p.Type) == "" || p.Version == "" || seen[u.String()] {
			continue
		}
		seen[u.String()] = true
		doc.Components = append(doc.Components, component{"library", u.Package().Name, p.Version, u.String()})
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return input{}, err
	}
	dir := filepath.Join(tmp, "bom", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return input{}, err
	}
	in := input{name: name, bom: filepath.Join(dir, "bom.json")}
	if err := os.WriteFile(in.bom, text, 0o644); err != nil {
		return input{}, err
	}
	s, err := cyclonedx.Decode(bytes.NewReader(text), cyclonedx.DefaultLimits())
	in.inventory = s.Inventory
	return in, err
}

// languageLists returns the packages in the folder lang of the test data, by language.
func languageLists(dir string) (map[string][]inventory.Package, error) {
	types := map[string]string{
		"go-buildinfo": "golang", "java": "maven", "python": "pypi", "ruby": "gem", "rust-audit": "cargo",
	}
	lists := make(map[string][]inventory.Package)
	for folder, typ := range types {
		files, err := filepath.Glob(filepath.Join(dir, folder, "*", "expected.json"))
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("%s: no lists", filepath.Join(dir, folder))
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				return nil, err
			}
			var rows []struct{ Name, Group, Artifact, Version string }
			if err := json.Unmarshal(text, &rows); err != nil {
				return nil, fmt.Errorf("%s: %w", f, err)
			}
			for _, r := range rows {
				p := inventory.Package{Type: typ, Name: r.Name, Version: r.Version}
				switch {
				case r.Group != "":
					p.Name = r.Group + ":" + r.Artifact
				case p.Name == "stdlib":
					p.Version = strings.TrimPrefix(p.Version, "go")
				}
				lists["lang/"+folder] = append(lists["lang/"+folder], p)
			}
		}
	}
	return lists, nil
}

// edges returns the packages in the advisories of each ecosystem of a language, in the
// versions at which a range begins or ends: for every affected entry its first fix, or its
// last event if it has no fix, and the last version that it lists.
func edges(records map[string][]kept) map[string][]inventory.Package {
	types := make(map[string]string)
	for _, typ := range []string{"cargo", "composer", "cran", "gem", "golang", "maven", "pypi"} {
		types[ecosystemOf(typ)] = typ
	}
	lists := make(map[string][]inventory.Package)
	for _, id := range slices.Sorted(maps.Keys(records)) {
		for _, r := range records[id] {
			for _, entry := range r.Affected {
				typ := types[entry.Package.Ecosystem]
				if typ == "" {
					continue
				}
				name := "edges/" + entry.Package.Ecosystem
				for _, v := range edgesOf(entry) {
					lists[name] = append(lists[name], inventory.Package{Type: typ, Name: entry.Package.Name, Version: v})
				}
			}
		}
	}
	return lists
}

func edgesOf(entry advisory.Affected) []string {
	var versions []string
	if n := len(entry.Versions); n > 0 {
		versions = append(versions, entry.Versions[n-1])
	}
	fix, last := "", ""
	for _, r := range entry.Ranges {
		if r.Type == advisory.Git {
			continue
		}
		for _, e := range r.Events {
			if e.Fixed != "" && fix == "" {
				fix = e.Fixed
			}
			for _, v := range []string{e.Introduced, e.LastAffected} {
				if v != "" && v != "0" {
					last = v
				}
			}
		}
	}
	if fix != "" {
		last = fix
	}
	if last != "" {
		versions = append(versions, last)
	}
	return versions
}
