// Package inventories reads the inventories of popular public images in the test
// data and writes them as CycloneDX documents.
package inventories

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// An Inventory is what a tool listed for an image.
type Inventory struct {
	Tool  string   `json:"tool"`
	Image string   `json:"image"`
	PURLs []string `json:"purls"`
}

// All returns every inventory below testdata, the folder of the test data.
func All(testdata string) ([]Inventory, error) {
	f, err := os.Open(filepath.Join(testdata, "inventories", "popular.jsonl.gz"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	var all []Inventory
	for d := json.NewDecoder(bufio.NewReader(z)); ; {
		var i Inventory
		err := d.Decode(&i)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", f.Name(), len(all)+1, err)
		}
		all = append(all, i)
	}
}

type component struct {
	Type    string `json:"type"`
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
	PURL    string `json:"purl,omitempty"`
}

// Document returns the inventory as CycloneDX JSON.
func (i Inventory) Document() ([]byte, error) {
	doc := struct {
		BOMFormat   string      `json:"bomFormat"`
		SpecVersion string      `json:"specVersion"`
		Version     int         `json:"version"`
		Components  []component `json:"components"`
	}{BOMFormat: "CycloneDX", SpecVersion: "1.6", Version: 1}
	if id, version, ok := i.System(); ok {
		doc.Components = append(doc.Components, component{Type: "operating-system", Name: id, Version: version})
	}
	for _, p := range i.PURLs {
		doc.Components = append(doc.Components, component{Type: "library", PURL: p})
	}
	return json.Marshal(doc)
}

// System returns ID and VERSION_ID of the operating system, which the package URL
// of the first system package names. The tools write them differently: distro is
// "debian-11" in pkg:deb/debian, "3.16.2" in pkg:apk/alpine.
func (i Inventory) System() (id, version string, ok bool) {
	for _, p := range i.PURLs {
		rest, isPURL := strings.CutPrefix(p, "pkg:")
		kind, rest, _ := strings.Cut(rest, "/")
		if !isPURL || kind != "deb" && kind != "apk" && kind != "rpm" {
			continue
		}
		path, query, _ := strings.Cut(rest, "?")
		qualifiers, err := url.ParseQuery(query)
		distro := qualifiers.Get("distro")
		if err != nil || distro == "" {
			continue
		}
		if at := strings.LastIndexByte(distro, '-'); at >= 0 {
			id, version = distro[:at], distro[at+1:]
		} else {
			id, _, _ = strings.Cut(path, "/")
			version = distro
		}
		switch id {
		case "redhat":
			id = "rhel"
		case "amazon":
			id = "amzn"
		case "oracle":
			id = "ol"
		case "debian":
			version, _, _ = strings.Cut(version, ".")
		}
		return id, version, true
	}
	return "", "", false
}
