// Package reporttest has scans for tests of reports.
package reporttest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"assay/check/testkit"
	"assay/inspect"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/advisory"
	"assay/service/advisory/load"
	"assay/service/index"
	"assay/service/match"
	"assay/service/report"
	"assay/service/scan"
	"assay/verdict"
)

// Now is the time of the scans.
var Now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// Hostile is a text that must not reach a reader as it is: a terminal sequence, an override
// of direction, HTML, Markdown, a placeholder of SARIF and a command of a CI system.
const Hostile = "\x1b[31m\u202e<script>alert(1)</script>[x](https://evil.example)![i](https://evil.example/i){0}\n::error::|`a`@admin"

// Index returns an index of OSV records.
func Index(t testing.TB, records ...string) match.Index {
	t.Helper()
	var all []advisory.Advisory
	for _, r := range records {
		a, err := advisory.Parse([]byte(r))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return index.NewMemory(all, nil)
}

// Answer evaluates a scan as the service does.
func Answer(t testing.TB, sent cyclonedx.Scan, ix match.Index) report.Scan {
	t.Helper()
	a, err := scan.Evaluator{}.Answer(sent, ix, nil, verdict.Data{Snapshot: "s1", Records: 1, Updated: Now}, Now)
	if err != nil {
		t.Fatal(err)
	}
	s := report.Scan{Verdict: a.Whole(), Sent: sent, At: Now, PublicURL: "https://assay.example.com", Service: "1.0.0"}
	s.Verdict.Scan = "01J0000000000000000000TEST"
	s.Verdict.Report = s.PublicURL + "/api/v1/scans/" + s.Verdict.Scan + "/report"
	return s
}

// Debian is the scan of a real Debian 12 with the records of its test data.
func Debian(t testing.TB) report.Scan {
	t.Helper()
	sent := Root(t, testkit.Path(t, "pkgdb", "dpkg", "debian12-minbase"))
	sources := make(map[string]bool)
	for _, p := range sent.Inventory.Packages {
		sources[p.Source] = true
	}
	return Answer(t, sent, records(t, func(body []byte) bool { return names(body, sources) }))
}

// names reports whether a record names one of some packages. To parse all records takes most of
// the time of a test.
func names(body []byte, packages map[string]bool) bool {
	for {
		_, rest, ok := bytes.Cut(body, []byte(`"name":`))
		if !ok {
			return false
		}
		body = rest
		name, _, _ := bytes.Cut(bytes.TrimLeft(rest, ` "`), []byte(`"`))
		if packages[string(name)] {
			return true
		}
	}
}

// Records returns an index of the real records of Debian.
func Records(t testing.TB) match.Index {
	t.Helper()
	return records(t, func([]byte) bool { return true })
}

// records returns an index of the wanted ones of the real records of Debian.
func records(t testing.TB, wanted func(body []byte) bool) match.Index {
	t.Helper()
	var all []advisory.Advisory
	for r, err := range load.Open(testkit.Path(t, "osv", "Debian")).Records() {
		if err != nil {
			t.Fatal(err)
		}
		if !wanted(r.Body) {
			continue
		}
		a, err := advisory.Parse(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return index.NewMemory(all, nil)
}

// Root inspects a root as the client does.
func Root(t testing.TB, root string) cyclonedx.Scan {
	t.Helper()
	inv, err := inspect.Inspect(t.Context(), root, inspect.Options{Mounts: strings.NewReader("")})
	if err != nil {
		t.Fatal(err)
	}
	return cyclonedx.Scan{Inventory: inv, Client: "assay 1.0.0"}
}

// Rules is a scan with findings that pass by several rules, and with hostile names. Nothing
// of it is incomplete.
func Rules(t testing.TB) report.Scan {
	t.Helper()
	at := []inventory.Evidence{{Path: "var/lib/dpkg/status", Kind: "dpkg"}}
	pkg := func(name, version string) inventory.Package {
		return inventory.Package{Type: "deb", Name: name, Version: version, Arch: "amd64", Source: name, SourceVersion: version, Evidence: at}
	}
	sent := cyclonedx.Scan{
		Client: "assay 1.0.0",
		Inventory: inventory.Inventory{
			System: inventory.System{ID: "debian", VersionID: "12", PrettyName: "Debian " + Hostile, Path: "etc/os-release"},
			Packages: []inventory.Package{
				pkg("accepted", "1"), pkg("failing", "1"), pkg("low", "1"), pkg("unfixed", "1"), pkg("vexed", "1"),
				{Type: "pypi", Name: "hostile-" + Hostile, Version: "1.0", Evidence: []inventory.Evidence{
					{Path: "../srv/" + Hostile + "-1.0.dist-info/METADATA", Kind: "python"}}},
			},
		},
		Options: []cyclonedx.Option{{Name: "project", Value: "shop", Origin: "flag"}},
		Files: []cyclonedx.File{
			{Kind: cyclonedx.FileIgnore, Name: ".trivyignore", Body: []byte("CVE-2024-2\n")},
			{Kind: cyclonedx.FileVEX, Name: "vex.json", Body: []byte(`{"@context":"https://openvex.dev/ns/v0.2.0","@id":"x","author":"Acme","timestamp":"2026-01-01T00:00:00Z","version":1,
				"statements":[{"vulnerability":{"name":"CVE-2024-5"},"products":[{"@id":"pkg:deb/debian/vexed@1"}],"status":"not_affected","justification":"vulnerable_code_not_present"}]}`)},
		},
	}
	sent.Inventory.Sort()
	return Answer(t, sent, RulesIndex(t))
}

// RulesIndex is the index of the records of Rules.
func RulesIndex(t testing.TB) match.Index {
	t.Helper()
	record := func(id, ecosystem, name, events, more string) string {
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		return `{"id":"` + ecosystem[:3] + `-` + id + `","upstream":["` + id + `"],"aliases":["GHSA-` + id + `"],"modified":"2024-01-01T00:00:00Z",` + more +
			`"affected":[{"package":{"ecosystem":"` + ecosystem + `","name":` + string(quoted) + `},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}` + events + `]}]}]}`
	}
	fixed := `,{"fixed":"2"}`
	critical := `"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],`
	low := `"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}],`
	summary, err := json.Marshal("Summary " + Hostile)
	if err != nil {
		t.Fatal(err)
	}
	return Index(t,
		record("CVE-2024-1", "Debian:12", "failing", fixed, critical+`"summary":`+string(summary)+`,`),
		record("CVE-2024-2", "Debian:12", "accepted", fixed, critical),
		record("CVE-2024-3", "Debian:12", "low", fixed, low),
		record("CVE-2024-4", "Debian:12", "unfixed", "", critical),
		record("CVE-2024-5", "Debian:12", "vexed", fixed, critical),
		record("CVE-2024-6", "PyPI", "hostile-"+Hostile, fixed, critical),
	)
}

// Untrusted is a scan of an image whose package database could not be read. It has no
// finding, and is not clean.
func Untrusted(t testing.TB) report.Scan {
	t.Helper()
	sent := cyclonedx.Scan{Inventory: inventory.Inventory{
		System:     inventory.System{ID: "debian", VersionID: "12"},
		ScanErrors: []inventory.ScanError{{Path: "var/lib/dpkg/status", Kind: inventory.KindDatabase, Err: "permission denied"}},
	}}
	return Answer(t, sent, Index(t))
}

// Clean is a scan without a finding, of which everything was evaluated.
func Clean(t testing.TB) report.Scan {
	t.Helper()
	sent := cyclonedx.Scan{Inventory: inventory.Inventory{
		System: inventory.System{ID: "debian", VersionID: "12"},
		Packages: []inventory.Package{{Type: "deb", Name: "bash", Version: "5.2.15-2", Arch: "amd64", Source: "bash", SourceVersion: "5.2.15-2",
			Evidence: []inventory.Evidence{{Path: "var/lib/dpkg/status", Kind: "dpkg"}}}},
	}}
	return Answer(t, sent, Index(t, `{"id":"DEBIAN-CVE-2024-1","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"none"},"versions":["1"]}]}`))
}

// Render renders a scan twice, and checks that the bytes are the same.
func Render(t testing.TB, f report.Format, s report.Scan) []byte {
	t.Helper()
	var a, b bytes.Buffer
	if err := f.Render(&a, s); err != nil {
		t.Fatal(err)
	}
	if err := f.Render(&b, s); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same scan gives two reports")
	}
	return a.Bytes()
}

// Schema returns a schema of the test data. The others are its references.
func Schema(t testing.TB, name string, references ...string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	var id string
	for _, file := range append([]string{name}, references...) {
		b := testkit.Path(t, "schemas", file)
		doc, err := jsonschema.FileLoader{}.Load("file://" + b)
		if err != nil {
			t.Fatal(err)
		}
		of := doc.(map[string]any)
		url, _ := of["$id"].(string)
		if url == "" {
			url, _ = of["id"].(string)
		}
		if id == "" {
			id = url
		}
		if err := c.AddResource(url, doc); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := c.Compile(id)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// Validate checks a document.
func Validate(t testing.TB, schema *jsonschema.Schema, doc []byte) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Error(err)
	}
}
