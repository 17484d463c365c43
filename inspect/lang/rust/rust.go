// Package rust reads the list of crates that cargo-auditable leaves in a program.
package rust

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"assay/inspect/elf"
	"assay/inspect/inventory"
)

// Kind is the evidence's kind of what this package reads.
const Kind = "rust"

// Section is where the list is.
const Section = ".dep-v0"

const (
	// maxSection bounds the list as it stands in the program.
	maxSection = 1 << 20
	// maxText bounds the list unpacked; one of a thousand crates has 100 kB.
	maxText = 1 << 20
	// maxCrates bounds the crates of a program.
	maxCrates = 1 << 16
)

// A crate is an entry of the list, as cargo-auditable's specification has it.
type crate struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Kind    string `json:"kind"` // "build" or "runtime", which is meant where it is missing
}

// Read returns the crates that were built into the program at path, its own among
// them. Crates that only its building needed are in no program, and left out. A
// program without the list has none, and gives no error.
//
// The file has been opened with Section.
func Read(f *elf.File, path string) ([]inventory.Package, error) {
	section, ok := f.Section(Section)
	if !ok {
		return nil, nil
	}
	packed, err := f.Read(section, maxSection)
	if err != nil {
		return nil, fmt.Errorf("list of crates: %w", err)
	}
	packages, err := readList(packed, path)
	if err != nil {
		return packages, fmt.Errorf("list of crates: %w", err)
	}
	return packages, nil
}

// readList reads the list as it stands in a program: JSON, packed with zlib.
func readList(packed []byte, path string) ([]inventory.Package, error) {
	unpacked, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(unpacked, maxText+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("more than %d bytes", maxText)
	}
	var list struct {
		Packages []crate `json:"packages"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	if len(list.Packages) > maxCrates {
		return nil, fmt.Errorf("more than %d crates", maxCrates)
	}
	var packages []inventory.Package
	for _, c := range list.Packages {
		if c.Name == "" || c.Version == "" {
			err = errors.New("crate without name or version")
			continue
		}
		if c.Kind == "build" {
			continue
		}
		packages = append(packages, inventory.Package{
			Type:       "cargo",
			Name:       inventory.Text(c.Name),
			Version:    inventory.Text(c.Version),
			Evidence:   []inventory.Evidence{{Path: path, Kind: Kind}},
			EmbeddedIn: path,
		})
	}
	return packages, err
}
