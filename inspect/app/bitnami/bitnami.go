// Package bitnami reads what Bitnami's images record about their applications: an SPDX
// document for each in its folder (SPDX 2.3, in JSON or as tags and values), and in older
// images a list of all.
package bitnami

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"assay/inspect/ident"
	"assay/inspect/inventory"
)

const (
	// Kind is the kind of the evidence.
	Kind = "bitnami"
	// Type is the purl type of packages.
	Type = "bitnami"
	// Limit is how many bytes of a file are read. Real ones have up to 1 MB.
	Limit = 8 << 20

	folder     = "opt/bitnami/"
	components = ".bitnami_components.json"
	extension  = ".spdx"
)

// Bases returns the names of the files that Wants may accept.
func Bases() []string { return []string{components} }

// Exts returns the extensions of the files that Wants may accept.
func Exts() []string { return []string{extension} }

// Wants reports whether path is one of Bitnami's records: opt/bitnami/NAME/.spdx-NAME.spdx,
// or the list.
func Wants(at string) bool {
	rest, ok := strings.CutPrefix(at, folder)
	if !ok {
		return false
	}
	return rest == components || strings.HasPrefix(path.Base(rest), ".spdx-") && strings.HasSuffix(rest, extension)
}

// Read reads the record at path and returns the packages of Bitnami in it. An SPDX document
// also names what it is built of, such as Go modules: other readers find that in the files
// themselves.
func Read(r io.Reader, at string) ([]inventory.Package, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	switch {
	case path.Base(at) == components:
		return readComponents(text, at)
	case bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")):
		return readJSON(text, at)
	}
	return readTags(text, at)
}

func pack(name, version, arch, at string) inventory.Package {
	return inventory.Package{Type: Type, Name: name, Version: version, Arch: arch, Evidence: []inventory.Evidence{{Path: at, Kind: Kind}}}
}

// readComponents reads the list of the components of an image, by name.
func readComponents(text []byte, at string) ([]inventory.Package, error) {
	var list map[string]struct {
		Arch    string `json:"arch"`
		Version string `json:"version"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	var found []inventory.Package
	var broken error
	for _, name := range slices.Sorted(maps.Keys(list)) {
		c := list[name]
		if !ident.Is(name) || !ident.Is(c.Version) || !ident.IsWord(c.Arch) {
			broken = fmt.Errorf("component %.100q has no valid name and version", name)
			continue
		}
		found = append(found, pack(name, c.Version, c.Arch, at))
	}
	return found, broken
}

// readJSON reads an SPDX document in JSON.
func readJSON(text []byte, at string) ([]inventory.Package, error) {
	var document struct {
		Version  string `json:"spdxVersion"`
		Packages []struct {
			Refs []struct {
				Type    string `json:"referenceType"`
				Locator string `json:"referenceLocator"`
			} `json:"externalRefs"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(document.Version, "SPDX-2.") {
		return nil, fmt.Errorf("not an SPDX 2 document: version %.20q", document.Version)
	}
	var found []inventory.Package
	for _, p := range document.Packages {
		for _, ref := range p.Refs {
			if ref.Type != "purl" {
				continue
			}
			p, ok, err := fromPURL(ref.Locator, at)
			if err != nil {
				return found, err
			}
			if ok {
				found = append(found, p)
			}
		}
	}
	return enough(found)
}

// readTags reads an SPDX document of tags and values.
func readTags(text []byte, at string) ([]inventory.Package, error) {
	if !bytes.HasPrefix(text, []byte("SPDXVersion: SPDX-2.")) {
		return nil, errors.New("not an SPDX 2 document")
	}
	var found []inventory.Package
	s := bufio.NewScanner(bytes.NewReader(text))
	s.Buffer(nil, 64<<10)
	for s.Scan() {
		locator, ok := strings.CutPrefix(s.Text(), "ExternalRef: PACKAGE-MANAGER purl ")
		if !ok {
			continue
		}
		p, ok, err := fromPURL(strings.TrimSpace(locator), at)
		if err != nil {
			return found, err
		}
		if ok {
			found = append(found, p)
		}
	}
	if err := s.Err(); err != nil {
		return found, err
	}
	return enough(found)
}

func enough(found []inventory.Package) ([]inventory.Package, error) {
	if len(found) == 0 {
		return nil, errors.New("names no package of Bitnami")
	}
	return found, nil
}

// fromPURL returns the package that a purl names. It is not ok for purls of other types.
func fromPURL(purl, at string) (p inventory.Package, ok bool, err error) {
	rest, ok := strings.CutPrefix(purl, "pkg:bitnami/")
	if !ok {
		return p, false, nil
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	name, version, _ := strings.Cut(rest, "@")
	name, nameErr := url.PathUnescape(name)
	version, versionErr := url.PathUnescape(version)
	qualifiers, queryErr := url.ParseQuery(query)
	if err := errors.Join(nameErr, versionErr, queryErr); err != nil || !ident.Is(name) || !ident.Is(version) {
		return p, false, fmt.Errorf("invalid purl %.200q", purl)
	}
	arch := qualifiers.Get("arch")
	if !ident.IsWord(arch) || len(arch) > ident.Max {
		return p, false, fmt.Errorf("invalid purl %.200q", purl)
	}
	return pack(name, version, arch, at), true, nil
}
