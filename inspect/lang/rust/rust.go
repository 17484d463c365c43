// Package rust reads the list of crates that cargo-auditable stores in a program.
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

// Kind is the kind of the evidence.
const Kind = "rust"

// Section is the name of the section with the list.
const Section = ".dep-v0"

const (
	// maxSection bounds the compressed list, in bytes.
	maxSection = 1 << 20
	// maxText bounds the decompressed list, in bytes. A list of a thousand crates has
	// 100 kB.
	maxText = 1 << 20
	// maxCrates bounds the crates of a program.
	maxCrates = 1 << 16
)

// A crate is an entry of the list, as specified by cargo-auditable.
type crate struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Kind    string `json:"kind"` // "build" or "runtime"; "runtime" if missing
}

// Read returns the crates that were built into the program at path, including its own.
// Crates that were only needed to build it are not in the program and are left out. A
// program without the list has no crates, which is not an error.
//
// The file must have been opened with Section.
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

// readList reads the list as it is stored in a program: JSON, compressed with zlib.
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
