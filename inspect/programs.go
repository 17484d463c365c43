package inspect

import (
	"slices"

	"assay/inspect/app/program"
	"assay/inspect/distro/chisel"
	"assay/inspect/distro/dpkg"
	"assay/inspect/distro/rpm"
	"assay/inspect/inventory"
)

// withoutOwnedPrograms leaves out the programs that a package of the system installed: the
// system's advisories are about them, and its versions have fixes that upstream's do not. If a
// database of the system does not say which files its packages have, these are the programs in
// the folders where packages install them.
func withoutOwnedPrograms(packages []inventory.Package) []inventory.Package {
	unlisted := slices.ContainsFunc(packages, func(p inventory.Package) bool {
		if len(p.Evidence) == 0 {
			return false
		}
		e := p.Evidence[0]
		return e.Kind == chisel.Kind || e.Kind == rpm.Kind && slices.Contains(rpm.ManifestFiles(), e.Path)
	})
	return slices.DeleteFunc(packages, func(p inventory.Package) bool {
		if len(p.Evidence) == 0 || p.Evidence[0].Kind != program.Kind {
			return false
		}
		if p.Owner != nil {
			return p.Owner.Digest != inventory.DigestDifferent
		}
		return unlisted && dpkg.MayInstall(p.Evidence[0].Path)
	})
}
