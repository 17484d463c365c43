// Package unsupported knows the package databases that assay finds and does not read. An
// image with one of them is not evaluated as a whole, and must not pass as if it were.
package unsupported

import (
	"fmt"
	"io"
	"path"

	"assay/inspect/inventory"
)

// A database is a file that its package manager writes when it installs something.
type database struct{ file, manager string }

func databases() []database {
	return []database{
		{"usr/lib/opkg/status", "opkg"}, // OpenWrt
		{"var/lib/opkg/status", "opkg"}, // Yocto
		{"opt/lib/opkg/status", "opkg"}, // Entware
		{"var/lib/portage/world", "Portage"},
		{"var/lib/portage/config", "Portage"},
		{"nix/var/nix/db/db.sqlite", "Nix"},
		{"var/guix/db/db.sqlite", "Guix"},
		{"var/db/xbps/pkgdb-0.38.plist", "XBPS"},
		{"var/lib/snapd/state.json", "snapd"},
		{"var/lib/flatpak/.changed", "Flatpak"},
	}
}

// Files returns the paths of the databases.
func Files() []string {
	var files []string
	for _, d := range databases() {
		files = append(files, d.file)
	}
	return files
}

// Limit is the size up to which a database is opened. Its content is not read.
const Limit = 1 << 40

// Read returns the error for the database at a path.
func Read(_ io.Reader, file string) ([]inventory.Package, error) {
	manager := "this package manager"
	for _, d := range databases() {
		if d.file == file {
			manager = d.manager
		}
	}
	return nil, fmt.Errorf("assay does not read the packages of %s; --skip /%s accepts that", manager, path.Dir(file))
}
