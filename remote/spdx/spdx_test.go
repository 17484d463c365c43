package spdx_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"assay/check/testkit"
	"assay/inspect"
	"assay/inspect/inventory"
	"assay/remote/spdx"
)

var created = time.Date(2026, 11, 28, 12, 0, 0, 0, time.FixedZone("", 3600))

func write(t *testing.T, inv inventory.Inventory) map[string]any {
	t.Helper()
	var b bytes.Buffer
	err := spdx.WriteStatement(&b, spdx.Document{
		Name: "sbom", Namespace: "https://assay.example.com/api/v1/scans/x", Created: created, Tool: "assay 1.0.0", Inventory: inv,
	})
	if err != nil {
		t.Fatal(err)
	}
	var statement struct {
		Type      string `json:"_type"`
		Predicate map[string]any
	}
	if err := json.Unmarshal(b.Bytes(), &statement); err != nil {
		t.Fatal(err)
	}
	if statement.Type != "https://in-toto.io/Statement/v0.1" {
		t.Errorf("statement type %q", statement.Type)
	}
	return statement.Predicate
}

// documents are the documents of inventories: of a Debian, of every kind of package, and of
// an empty one.
func documents(t *testing.T, debianRoot string) map[string]map[string]any {
	t.Helper()
	debian, err := inspect.Inspect(t.Context(), debianRoot, inspect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(debian.Packages) < 80 {
		t.Errorf("Debian has %d packages", len(debian.Packages))
	}
	hostile := inventory.Inventory{
		System: inventory.System{ID: "rhel", VersionID: "9.4", CPE: "cpe:/o:redhat:enterprise_linux:9"},
		Packages: []inventory.Package{
			{Type: "npm", Name: "@types/node", Version: "20.1.0", Evidence: []inventory.Evidence{{Path: "a/\u202e\"\n", Kind: "node"}}},
			{Type: "rpm", Name: "x", CPE: "cpe:2.3:a:x:x:1:*:*:*:*:*:*:*"},
			{Type: "deb"},
		},
		ScanErrors: []inventory.ScanError{{Path: "root", Kind: inventory.KindDirectory, Err: "permission denied"}},
	}
	written := map[string]map[string]any{}
	for name, inv := range map[string]inventory.Inventory{"debian": debian, "hostile": hostile, "empty": {}} {
		d := write(t, inv)
		written[name] = d
		// The tree, the system if there is one, and each package.
		want := 1 + len(inv.Packages)
		if inv.System.Known() {
			want++
		}
		if got := len(d["packages"].([]any)); got != want {
			t.Errorf("%s: %d packages, want %d", name, got, want)
		}
		if got := len(d["relationships"].([]any)); got != want {
			t.Errorf("%s: %d relationships, want %d", name, got, want)
		}
		if _, said := d["comment"]; said != (len(inv.ScanErrors) > 0) {
			t.Errorf("%s: comment %v with %d unread", name, d["comment"], len(inv.ScanErrors))
		}
		if got := d["creationInfo"].(map[string]any)["created"]; got != "2026-11-28T11:00:00Z" {
			t.Errorf("%s: created %v", name, got)
		}
	}
	return written
}

// TestDocuments checks the content of documents, one of them of the project's sample.
func TestDocuments(t *testing.T) {
	documents(t, filepath.Join(testkit.Root(t), "testdata", "sample", "root"))
}

// TestSchema validates documents with the schema of SPDX 2.3, one of them of a real Debian.
func TestSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(testkit.Path(t, "schemas", "spdx-2.3.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range documents(t, testkit.Path(t, "pkgdb", "dpkg", "debian12-minbase")) {
		if err := schema.Validate(d); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
