package vex

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/verdict"
)

var curl = verdict.Package{Type: "rpm", Name: "curl", Version: "8.0-1", PURL: "pkg:rpm/redhat/curl@8.0-1?arch=x86_64"}

// TestFormats reads one document of each format, with the same statements.
func TestFormats(t *testing.T) {
	const want = `openvex|[CVE-2024-1 GHSA-1] not_affected 2026-11-02 Acme|never called|true
[CVE-2024-2] affected 2026-11-01 Acme||true
[CVE-2024-3] fixed 2026-11-01 Acme||false
[CVE-2024-4] under_investigation 2026-11-01 Acme||false`
	documents := map[string]string{
		OpenVEX: `{"@context":"https://openvex.dev/ns/v0.2.0","author":"Acme","timestamp":"2026-11-01T00:00:00Z","statements":[
			{"vulnerability":{"name":"CVE-2024-1","aliases":["GHSA-1"]},"products":[{"@id":"urn:x","identifiers":{"purl":"pkg:rpm/redhat/curl"}}],"status":"not_affected","justification":"x","impact_statement":"never called","timestamp":"2026-11-02T00:00:00Z"},
			{"vulnerability":"CVE-2024-2","products":["pkg:rpm/redhat/curl@8.0-1"],"status":"affected"},
			{"vulnerability":{"name":"CVE-2024-3"},"products":[{"@id":"pkg:rpm/redhat/curl@8.0-2"}],"status":"fixed"},
			{"vulnerability":{"name":"CVE-2024-4"},"status":"under_investigation"}]}`,
		CycloneDX: `{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"timestamp":"2026-11-01T00:00:00Z","authors":[{"name":"Acme"}]},
			"components":[{"name":"app","components":[{"bom-ref":"c","purl":"pkg:rpm/redhat/curl"}]}],"vulnerabilities":[
			{"id":"CVE-2024-1","references":[{"id":"GHSA-1"}],"analysis":{"state":"false_positive","justification":"x","detail":"never called","lastUpdated":"2026-11-02T00:00:00Z"},"affects":[{"ref":"c"}]},
			{"id":"CVE-2024-2","analysis":{"state":"exploitable"},"affects":[{"ref":"urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#pkg:rpm/redhat/curl@8.0-1"}]},
			{"id":"CVE-2024-3","analysis":{"state":"resolved"},"affects":[{"ref":"pkg:rpm/redhat/curl","versions":[{"version":"8.0-2"},{"range":"vers:rpm/>=8"}]}]},
			{"id":"CVE-2024-4","analysis":{"state":"in_triage"}},
			{"id":"CVE-2024-5"}]}`,
		CSAF: `{"document":{"category":"csaf_vex","csaf_version":"2.0","publisher":{"name":"Acme"},"tracking":{"current_release_date":"2026-11-01T00:00:00Z"}},
			"product_tree":{"branches":[{"branches":[{"product":{"product_id":"a","product_identification_helper":{"purl":"pkg:rpm/redhat/curl"}}}]}],
			"full_product_names":[{"product_id":"b","product_identification_helper":{"purl":"pkg:rpm/redhat/curl@8.0-1"}},{"product_id":"c","product_identification_helper":{"purl":"pkg:rpm/redhat/curl@8.0-2"}}]},
			"vulnerabilities":[{"cve":"CVE-2024-1","ids":[{"text":"GHSA-1"}],"product_status":{"known_not_affected":["a"]},"threats":[{"category":"impact","details":"never called"}]},
			{"cve":"CVE-2024-2","product_status":{"known_affected":["b"]}},{"cve":"CVE-2024-3","product_status":{"fixed":["c"]}},{"cve":"CVE-2024-4","product_status":{"under_investigation":["z"]}}]}`,
	}
	for format, text := range documents {
		d, err := Parse("vex.json", []byte(text))
		if err != nil || d.Format != format {
			t.Errorf("%s: %q, %v", format, d.Format, err)
		}
		var lines []string
		for _, s := range d.Statements {
			lines = append(lines, fmt.Sprintf("%v %s %s %s|%s|%t", s.IDs, s.Status, s.At.Format("2006-01-02"), s.By, s.Reason, s.About(&curl, nil)))
		}
		got, want := strings.Join(lines, "\n"), strings.TrimPrefix(want, "openvex|")
		if format == CSAF { // one date for the whole document
			want = strings.Replace(want, "2026-11-02", "2026-11-01", 1)
		}
		if got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", format, got, want)
		}
	}
}

// A component of a product of CSAF says nothing about the package by itself: Red Hat says
// that a package is affected in one release, and that it is not in another.
func TestCSAFRelationships(t *testing.T) {
	const text = `{"document":{"csaf_version":"2.0"},"product_tree":{
		"full_product_names":[{"product_id":"curl","product_identification_helper":{"purl":"pkg:rpm/redhat/curl"}},
			{"product_id":"rhel","product_identification_helper":{"cpe":"cpe:/o:redhat:enterprise_linux:9"}},
			{"product_id":"image","product_identification_helper":{"purl":"pkg:oci/app"}}],
		"relationships":[
			{"product_reference":"curl","relates_to_product_reference":"rhel","full_product_name":{"product_id":"rhel:curl","product_identification_helper":{"purl":"pkg:rpm/redhat/curl"}}},
			{"product_reference":"curl","relates_to_product_reference":"image","full_product_name":{"product_id":"image:curl"}}]},
		"vulnerabilities":[{"cve":"CVE-1","product_status":{"known_not_affected":["rhel:curl"]}},{"cve":"CVE-2","product_status":{"known_not_affected":["image:curl"]}}]}`
	d, err := Parse("vex.json", []byte(text))
	if err != nil || len(d.Statements) != 2 {
		t.Fatalf("%+v, %v", d, err)
	}
	image := parsePURL("pkg:oci/app@1")
	other := verdict.Package{Type: "rpm", Name: "bash", PURL: "pkg:rpm/redhat/bash@5"}
	for i, want := range []string{"false false false", "false true false"} {
		s := d.Statements[i]
		if got := fmt.Sprint(s.About(&curl, nil), s.About(&curl, image), s.About(&other, image)); got != want {
			t.Errorf("statement %d: %s, want %s", i, got, want)
		}
	}
}

// A component of a CycloneDX document is a part of the document's subject.
func TestCycloneDXSubject(t *testing.T) {
	const state = `"analysis":{"state":"not_affected"},"affects":`
	document := func(subject, affects string) string {
		return `{"bomFormat":"CycloneDX",` + subject + `"components":[{"bom-ref":"c","purl":"pkg:rpm/redhat/curl"},{"purl":"pkg:rpm/redhat/curl"}],
			"vulnerabilities":[{"id":"CVE-1",` + state + affects + `}]}`
	}
	const app, nameless = `"metadata":{"component":{"bom-ref":"a","purl":"pkg:oci/app"}},`, `"metadata":{"component":{"bom-ref":"a","name":"app"}},`
	image, other := parsePURL("pkg:oci/app@1"), parsePURL("pkg:oci/other@1")
	for _, tt := range []struct{ subject, affects, want string }{
		{"", `[{"ref":"c"}]`, "true true true"},
		{app, `[{"ref":"c"}]`, "false true false"},
		{nameless, `[{"ref":"c"}]`, "false false false"},
		{app, `[{"ref":"a"}]`, "false true false"}, // all of the image
		{app, `[{"ref":"pkg:rpm/redhat/curl"}]`, "true true true"},
		{"", `[{"ref":""}]`, "false false false"},
		{"", `[{}]`, "false false false"},
	} {
		d, err := Parse("vex.json", []byte(document(tt.subject, tt.affects)))
		if err != nil || len(d.Statements) != 1 {
			t.Fatalf("%+v, %v", d, err)
		}
		s := d.Statements[0]
		if got := fmt.Sprint(s.About(&curl, nil), s.About(&curl, image), s.About(&curl, other)); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.subject, tt.affects, got, tt.want)
		}
	}
}

func TestErrors(t *testing.T) {
	statements := strings.TrimSuffix(strings.Repeat(`{"vulnerability":"CVE-1","status":"affected"},`, maxStatements+1), ",")
	products := strings.TrimSuffix(strings.Repeat(`"pkg:npm/x",`, maxProducts+1), ",")
	for text, want := range map[string]string{
		"":               "not a VEX document in JSON",
		"exceptions: []": "not a VEX document in JSON",
		"{}":             "neither OpenVEX nor CycloneDX nor CSAF",
		"[]":             "not a VEX document",
		`{"@context":"https://openvex.dev/ns/v0.2.0"} x`:                                                                                   "not a VEX document",
		`{"@context":"https://openvex.dev/ns","statements":[{"vulnerability":"CVE-1","status":"ok"}]}`:                                     `statement 1: unknown status "ok"`,
		`{"@context":"https://openvex.dev/ns","statements":{}}`:                                                                            "invalid OpenVEX",
		`{"@context":"https://openvex.dev/ns","statements":[{"timestamp":"yesterday"}]}`:                                                   "invalid OpenVEX",
		`{"@context":"https://openvex.dev/ns","statements":[` + statements + `]}`:                                                          "more than 10000 statements",
		`{"@context":"https://openvex.dev/ns","statements":[{"vulnerability":"CVE-1","status":"affected","products":[` + products + `]}]}`: "more than 200000 products",
		`{"bomFormat":"CycloneDX","vulnerabilities":[{"id":"CVE-1","analysis":{"state":"fine"}}]}`:                                         `unknown status "fine"`,
		`{"bomFormat":"CycloneDX","vulnerabilities":{}}`:                                                                                   "invalid CycloneDX",
		`{"document":{"csaf_version":"3.0"}}`:                                                                                              `CSAF "3.0" is not supported`,
		`{"document":{"csaf_version":"2.0"},"vulnerabilities":{}}`:                                                                         "invalid CSAF",
		strings.Repeat(`{"a":`, 20000):                                                                                                     "not a VEX document",
		`"` + strings.Repeat("x", MaxBytes) + `"`:                                                                                          "more than 8388608 bytes",
	} {
		d, err := Parse("vex.json", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || len(d.Statements) > 0 || len(err.Error()) > 400 {
			t.Errorf("%.90q: %v, %d statements; want %s", text, err, len(d.Statements), want)
		}
	}
}

// TestGenuine reads the genuine documents of the test data: each is read, or refused with a
// reason.
func TestGenuine(t *testing.T) {
	read, refused, statements, csafStatements := 0, 0, 0, 0
	one := func(name string, r io.Reader) {
		b, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
		if err != nil {
			t.Fatal(err)
		}
		d, err := Parse(name, b)
		if err != nil {
			t.Logf("%s: %v", name, err)
			refused++
			return
		}
		read++
		statements += len(d.Statements)
	}
	for _, name := range []string{"grype-openvex.json", "node-node.openvex.json", "trivy-vex-dir/oci.openvex.json", "trivy-vex-dir/trivy.openvex.json"} {
		f, err := os.Open(testkit.Path(t, append([]string{"feeds", "openvex"}, strings.Split(name, "/")...)...))
		if err != nil {
			t.Fatal(err)
		}
		one(name, f)
		f.Close()
	}
	// Red Hat's own documents are about components of its releases, and so about no package by
	// itself.
	redHat, err := filepath.Glob(filepath.Join(testkit.Path(t, "feeds", "redhat-csaf-vex"), "*.json"))
	if err != nil || len(redHat) < 10 {
		t.Fatalf("%d documents of Red Hat, %v", len(redHat), err)
	}
	for _, name := range redHat {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Parse(name, b)
		if err != nil && len(b) < MaxBytes {
			t.Logf("%s: %v", name, err)
			continue
		}
		for _, s := range d.Statements {
			pkg := verdict.Package{Type: "rpm", Name: "openssl", Version: "3", PURL: "pkg:rpm/redhat/openssl@3?arch=x86_64"}
			if s.Accepts() && s.About(&pkg, parsePURL("pkg:oci/app")) {
				t.Errorf("%s: %s is about %s", name, s.Title(), pkg.PURL)
			}
			csafStatements++
		}
	}
	z, err := zip.OpenReader(testkit.Path(t, "feeds", "openvex", "trivy.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, f := range z.File {
		if path.Ext(f.Name) != ".json" {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		one(f.Name, r)
		r.Close()
	}
	// The others are indexes of repositories, and one of an unknown format.
	if read != 16 || csafStatements != 22 || refused != 7 || statements != 226 {
		t.Errorf("%d documents with %d statements, %d of Red Hat, %d refused", read, statements, csafStatements, refused)
	}
}

// FuzzParse: no document makes the parser panic.
func FuzzParse(f *testing.F) {
	f.Add(`{"@context":"https://openvex.dev/ns","statements":[{"vulnerability":{"name":"CVE-1"},"products":[{"@id":"pkg:npm/x","subcomponents":["pkg:npm/y"]}],"status":"fixed"}]}`)
	f.Add(`{"bomFormat":"CycloneDX","vulnerabilities":[{"id":"CVE-1","analysis":{"state":"resolved"},"affects":[{"ref":"urn:cdx:x/1#pkg:npm/x","versions":[{"version":"1"}]}]}]}`)
	f.Add(`{"document":{"csaf_version":"2.0"},"product_tree":{"relationships":[{"product_reference":"a","relates_to_product_reference":"a","full_product_name":{"product_id":"a"}}]},"vulnerabilities":[{"cve":"C","product_status":{"fixed":["a"]}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse("vex.json", []byte(text))
		if err != nil && len(d.Statements) > 0 {
			t.Error("statements with an error")
		}
		for _, s := range d.Statements {
			s.About(&curl, parsePURL("pkg:oci/app@1"))
			s.Title()
		}
	})
}
