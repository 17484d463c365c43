package policy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/verdict"
)

// MaxBaseline bounds the file of a baseline in bytes. The inventory of an image with 20,000
// packages has about 10 MB.
const MaxBaseline = 16 << 20

// A Baseline tells findings in packages of the base image from those in packages that the
// build adds. A nil pointer tells nothing.
type Baseline struct {
	verdict.Baseline
	// Components are the packages of the base image. They are nil if Error is set.
	Components *Components
	wanted     bool // a stored scan has to be read
}

// ReadBaseline returns the baseline among the files of a scan, or nil if there is none. read
// reads the document of a file. What cannot be read is in the Error of the baseline, and makes
// the answer untrusted. A stored scan is not read: see scan.References.
func ReadBaseline(files []cyclonedx.File, read func(document []byte) (cyclonedx.Scan, error)) *Baseline {
	var b *Baseline
	for _, f := range files {
		switch {
		case !f.Baseline():
		case b != nil:
			b.Error, b.Components, b.wanted = "more than one baseline was sent", nil, false
		case f.Kind == cyclonedx.FileBaselineScan:
			b = &Baseline{Baseline: verdict.Baseline{Scan: f.Name, Error: "stored scans cannot be read here"}, wanted: true}
		default:
			b = &Baseline{Baseline: verdict.Baseline{File: f.Name}}
			if err := b.parse(f.Body, read); err != nil {
				b.Error = err.Error()
			}
		}
	}
	return b
}

func (b *Baseline) parse(body []byte, read func([]byte) (cyclonedx.Scan, error)) error {
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return errors.New("the file is empty")
	case len(body) > MaxBaseline:
		return fmt.Errorf("more than %d bytes", MaxBaseline)
	}
	s, err := read(body)
	if err != nil {
		return err
	}
	b.Set(ComponentsOf(s.Inventory))
	return nil
}

// Wanted returns the id of the stored scan that has to be read, or "".
func (b *Baseline) Wanted() string {
	if b == nil || !b.wanted {
		return ""
	}
	return b.Scan
}

// Components are the packages of a base image.
type Components struct {
	known    map[component]struct{} // each package at each of its paths
	packages int                    // of the inventory
	system   string                 // its ID and version, or empty
	unread   int                    // the places that could not be read
}

// ComponentsOf returns the components of an inventory.
func ComponentsOf(inv inventory.Inventory) *Components {
	all := &Components{
		known: make(map[component]struct{}, len(inv.Packages)), packages: len(inv.Packages), unread: len(inv.ScanErrors),
		system: strings.Clone(strings.TrimSpace(inv.System.ID + " " + inv.System.VersionID)),
	}
	for _, p := range inv.Packages {
		for _, e := range p.Evidence {
			all.known[versionAt(p.Type, p.Name, p.Version, p.Arch, e.Path)] = struct{}{}
		}
		if len(p.Evidence) == 0 {
			all.known[versionAt(p.Type, p.Name, p.Version, p.Arch, "")] = struct{}{}
		}
	}
	return all
}

// versionAt returns the digest of a version of a package at one of its paths.
func versionAt(typ, name, version, arch, path string) component {
	var c component
	sum := sha256.Sum256([]byte(strings.Join([]string{typ, name, version, arch, path}, "\x00")))
	copy(c[:], sum[:])
	return c
}

// have reports whether the base image has a package at each of its paths, in the same version.
// Where the inventory does not say at which path or for which architecture a package is, as
// in a document of another tool, any counts.
func (c *Components) have(p *verdict.Package) bool {
	for _, path := range paths(p) {
		known := false
		for _, at := range []string{path, ""} {
			for _, arch := range []string{p.Arch, ""} {
				_, ok := c.known[versionAt(p.Type, p.Name, p.Version, arch, at)]
				known = known || ok
			}
		}
		if !known {
			return false
		}
	}
	return true
}

// Set sets the components of a baseline that was read.
func (b *Baseline) Set(c *Components) {
	b.Components, b.Packages, b.Error = c, c.packages, ""
}

// origin returns the origin of a package, or "" if it is unknown.
func (b *Baseline) origin(p *verdict.Package) string {
	switch {
	case b == nil || b.Error != "":
		return ""
	case b.Components.have(p):
		return verdict.OriginBase
	}
	return verdict.OriginOwn
}

// count counts the findings that a verdict lists.
func (b *Baseline) count(origin string, fails bool) {
	if b != nil {
		b.Count(origin, fails)
	}
}

// unread returns a reason if the baseline cannot be read: what was asked for cannot be told.
func (b *Baseline) unread() []verdict.Reason {
	if b == nil || b.Error == "" {
		return nil
	}
	r := verdict.Reason{
		Rule: verdict.RuleBaseline,
		Text: fmt.Sprintf("the baseline %s cannot be read: %s", verdict.Short(b.Name()), verdict.Clean(b.Error)),
		Hint: "--baseline takes the inventory of the base image: assay inventory --output FILE, right after FROM, or CycloneDX or SPDX in JSON",
	}
	if b.Scan != "" {
		r.Hint = "a token reads its own scans, and with --scope read all of its project; old scans are removed"
	}
	return []verdict.Reason{r}
}

// Notices returns sentences for people about a baseline that may be the wrong one. system is
// that of the image.
func (b *Baseline) Notices(system verdict.System) []string {
	if b == nil || b.Error != "" {
		return nil
	}
	name := "the baseline " + verdict.Short(b.Name())
	var all []string
	if b.Packages == 0 {
		all = append(all, name+" has no packages, so every finding counts as own")
	}
	of, image := b.Components.system, strings.TrimSpace(system.ID+" "+system.VersionID)
	if of != "" && image != "" && of != image {
		all = append(all, fmt.Sprintf("%s is of %s, and the image is %s", name, verdict.Clean(of), verdict.Clean(image)))
	}
	if n := b.Components.unread; n > 0 {
		all = append(all, name+" lacks "+plural(n, "file or directory", "files and directories")+" that could not be read; packages in them count as own")
	}
	return all
}
