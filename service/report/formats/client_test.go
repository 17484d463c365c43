package formats

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/verdict"
)

// TestClientNames: the client accepts exactly the formats that the service has.
func TestClientNames(t *testing.T) {
	if got, want := verdict.ReportNames(), Names(); !slices.Equal(got, want) {
		t.Errorf("the client accepts %q, and the service has %q", got, want)
	}
	for _, f := range All() {
		media, _, _ := strings.Cut(f.Type, ";")
		json := media == "application/json" || strings.HasSuffix(media, "+json")
		if verdict.ReportIsJSON(f.Name) != json {
			t.Errorf("format %q has the type %q, and the client takes it for JSON: %t", f.Name, f.Type, !json)
		}
	}
}

// TestDocuments: docs/openapi.yaml lists the formats, and docs/reports.md describes each.
func TestDocuments(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if want := "    ReportFormat:\n      type: string\n      enum: [" + strings.Join(Names(), ", ") + "]\n"; !strings.Contains(read("openapi.yaml"), want) {
		t.Errorf("openapi.yaml does not have\n%s", want)
	}
	document := read("reports.md")
	for _, name := range Names() {
		if !strings.Contains(document, "\n| `"+name+"` |") {
			t.Errorf("the table of reports.md does not have %s", name)
		}
	}
}
