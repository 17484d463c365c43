package gitlab

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"assay/check/testkit/reporttest"
	"assay/service/report"
	"assay/verdict"
)

// constraints are those of schema 15.1.4 of GitLab for the fields that are written.
const constraints = `{
"$schema": "http://json-schema.org/draft-07/schema#",
"$id": "https://assay.example.com/gitlab.json",
"definitions": {
	"text": {"type": "string", "minLength": 1},
	"time": {"type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}$"},
	"url": {"type": "string", "pattern": "^(https?|ftp)://.+"},
	"tool": {"type": "object", "required": ["id", "name", "version", "vendor"], "properties": {
		"id": {"$ref": "#/definitions/text"}, "name": {"$ref": "#/definitions/text"}, "version": {"$ref": "#/definitions/text"},
		"vendor": {"type": "object", "required": ["name"], "properties": {"name": {"$ref": "#/definitions/text"}}}}}
},
"type": "object",
"required": ["scan", "version", "vulnerabilities"],
"properties": {
	"schema": {"type": "string", "pattern": "^https?://.+"},
	"version": {"type": "string", "pattern": "^[0-9]+\\.[0-9]+\\.[0-9]+$"},
	"scan": {"type": "object", "required": ["analyzer", "end_time", "scanner", "start_time", "status", "type"], "properties": {
		"analyzer": {"$ref": "#/definitions/tool"}, "scanner": {"$ref": "#/definitions/tool"},
		"start_time": {"$ref": "#/definitions/time"}, "end_time": {"$ref": "#/definitions/time"},
		"status": {"enum": ["success", "failure"]}, "type": {"enum": ["container_scanning", "container_scanning_for_registry"]},
		"messages": {"type": "array", "items": {"type": "object", "required": ["level", "value"], "properties": {
			"level": {"enum": ["info", "warn", "fatal"]}, "value": {"$ref": "#/definitions/text"}}}}}},
	"vulnerabilities": {"type": "array", "items": {"type": "object", "required": ["id", "identifiers", "location"], "properties": {
		"id": {"$ref": "#/definitions/text"},
		"name": {"type": "string", "maxLength": 255},
		"description": {"type": "string", "maxLength": 1048576},
		"severity": {"enum": ["Info", "Unknown", "Low", "Medium", "High", "Critical"]},
		"solution": {"type": "string", "maxLength": 7000},
		"identifiers": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["type", "name", "value"], "properties": {
			"type": {"$ref": "#/definitions/text"}, "name": {"$ref": "#/definitions/text"}, "value": {"$ref": "#/definitions/text"}, "url": {"$ref": "#/definitions/url"}}}},
		"cvss_vectors": {"type": "array", "minItems": 1, "maxItems": 10, "items": {"type": "object", "required": ["vendor", "vector"], "properties": {
			"vendor": {"$ref": "#/definitions/text"}, "vector": {"type": "string", "minLength": 32, "maxLength": 128, "pattern": "^CVSS:3[.][01]/"}}}},
		"links": {"type": "array", "items": {"type": "object", "required": ["url"], "properties": {"url": {"$ref": "#/definitions/url"}}}},
		"details": {"type": "object", "patternProperties": {"^.*$": {"type": "object", "required": ["type", "name", "value"], "properties": {
			"type": {"enum": ["text", "value"]}, "name": {"$ref": "#/definitions/text"}}}}},
		"flags": {"type": "array", "items": {"type": "object", "required": ["type", "origin", "description"], "properties": {
			"type": {"enum": ["flagged-as-likely-false-positive"]}, "origin": {"$ref": "#/definitions/text"}, "description": {"$ref": "#/definitions/text"}}}},
		"location": {"type": "object", "required": ["dependency", "operating_system", "image"], "properties": {
			"operating_system": {"$ref": "#/definitions/text"}, "image": {"$ref": "#/definitions/text"},
			"dependency": {"type": "object", "required": ["package", "version"], "properties": {
				"version": {"type": "string"},
				"package": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}}}}}
	}}}
}}`

func schemaOf(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(constraints))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	const id = "https://assay.example.com/gitlab.json"
	if err := c.AddResource(id, doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile(id)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func read(t *testing.T, s report.Scan) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(reporttest.Render(t, Format(), s), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConstraints(t *testing.T) {
	compiled := schemaOf(t)
	odd := report.Scan{Verdict: verdict.Verdict{Findings: []verdict.Finding{{}, {ID: "\x00", Vector: "CVSS:4.0/AV:N", Rule: verdict.RuleVEX}}}}
	for name, s := range map[string]report.Scan{
		"rules": reporttest.Rules(t), "untrusted": reporttest.Untrusted(t), "clean": reporttest.Clean(t), "debian": reporttest.Debian(t), "empty": {}, "odd": odd,
	} {
		t.Run(name, func(t *testing.T) { reporttest.Validate(t, compiled, reporttest.Render(t, Format(), s)) })
	}
}

// TestDebian: each finding of a real Debian is one vulnerability with an id of its own.
func TestDebian(t *testing.T) {
	s := reporttest.Debian(t)
	d := read(t, s)
	if len(d.Vulnerabilities) != len(s.Verdict.Findings) || len(d.Vulnerabilities) < 10 || d.Scan.Status != "success" {
		t.Fatalf("%d vulnerabilities of %d findings, status %s", len(d.Vulnerabilities), len(s.Verdict.Findings), d.Scan.Status)
	}
	seen := map[string]bool{}
	for i, f := range s.Verdict.Findings {
		v := d.Vulnerabilities[i]
		if v.Name != f.ID || v.Identifiers[0].Value != f.ID || v.Location.Dependency.Package.Name != f.Package.Name || v.Location.Dependency.Version != f.Package.Version ||
			v.Location.System != "debian 12" || !strings.Contains(strings.ReplaceAll(v.Solution, `\`, ""), f.Fixed) {
			t.Errorf("%+v, want %+v", v, f)
		}
		if seen[v.ID] {
			t.Errorf("the id of %s in %s is repeated", f.ID, f.Package.Name)
		}
		seen[v.ID] = true
	}
}

// TestStatus: a scan whose answer is untrusted has failed.
func TestStatus(t *testing.T) {
	ended := reporttest.Clean(t)
	ended.Verdict.Decision = verdict.Decision{Outcome: verdict.Fail, Code: 4, Reasons: []verdict.Reason{{Rule: verdict.RuleEndOfLife, Text: "ended"}}}
	for name, tt := range map[string]struct {
		scan          report.Scan
		status, level string
	}{
		"clean":       {reporttest.Clean(t), "success", ""},
		"untrusted":   {reporttest.Untrusted(t), "failure", "fatal"},
		"end of life": {ended, "success", "warn"},
		"empty":       {report.Scan{}, "failure", "fatal"},
	} {
		d := read(t, tt.scan)
		level := ""
		if len(d.Scan.Messages) > 0 {
			level = d.Scan.Messages[0].Level
		}
		if d.Scan.Status != tt.status || level != tt.level {
			t.Errorf("%s: %+v", name, d.Scan)
		}
	}
}

// TestVectors: only a complete vector of CVSS 3 is written.
func TestVectors(t *testing.T) {
	for vector, want := range map[string]bool{
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H": true, "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:P": true,
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N": false, "CVSS:3.1/AV:N": false, "": false,
		"AV:N/AC:L/Au:N/C:P/I:P/A:P": false, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\n": false,
	} {
		v := vulnerabilityOf(verdict.Finding{ID: "CVE-1", Vector: vector}, location{})
		if (v.Vectors != nil) != want {
			t.Errorf("%q: %v", vector, v.Vectors)
		}
	}
}
