package csaf_test

import (
	"compress/gzip"
	"io"
	"os"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/service/feed/csaf"
)

const head = `{"document":{"category":"csaf_vex","csaf_version":"2.0","tracking":{"id":"CVE-2024-1"}}`

func relationship(id, part, whole string) string {
	return `{"category":"default_component_of","full_product_name":{"product_id":"` + id + `"},"product_reference":"` + part +
		`","relates_to_product_reference":"` + whole + `"}`
}

func tree(relationships ...string) string {
	return head + `,"product_tree":{"branches":[{"category":"vendor","branches":[` +
		`{"product":{"product_id":"os","name":"OS 9","product_identification_helper":{"cpe":"cpe:/o:v:os:9"}}},` +
		`{"product":{"product_id":"m:1","product_identification_helper":{"purl":"pkg:rpmmod/v/m@1"}}},` +
		`{"product":{"product_id":"p","product_identification_helper":{"purl":"pkg:rpm/v/p"}}},` +
		`{"product":null},null]}],"relationships":[` + strings.Join(relationships, ",") + `]}}`
}

func TestComponent(t *testing.T) {
	d, err := csaf.Parse([]byte(tree(
		relationship("os:p", "p", "os"), relationship("os:m:1", "m:1", "os"), relationship("os:m:1:p", "p", "os:m:1"), relationship("os:x", "x", "os"),
		relationship("a", "b", "os"), relationship("b", "a", "os"), relationship("p:c", "p", "c"), relationship("c", "p", "c"))))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := d.Component("os:p"); err != nil || c.PURL != "pkg:rpm/v/p" || c.Of.CPE != "cpe:/o:v:os:9" || c.Of.Name != "OS 9" || len(c.Through) != 0 {
		t.Errorf("a component: %+v, %v", c, err)
	}
	if c, err := d.Component("os:m:1:p"); err != nil || c.ID != "p" || c.Of.ID != "os" || len(c.Through) != 1 || c.Through[0].PURL != "pkg:rpmmod/v/m@1" {
		t.Errorf("a component of a module: %+v, %v", c, err)
	}
	if c, err := d.Component("os"); err != nil || c.ID != "os" || c.Of.ID != "" {
		t.Errorf("a product: %+v, %v", c, err)
	}
	for id, want := range map[string]string{"os:x": `does not have "x"`, "none": `does not have "none"`, "a": "levels of relationships", "p:c": "levels of relationships"} {
		if _, err := d.Component(id); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", id, err, want)
		}
	}
}

func TestParseRejects(t *testing.T) {
	for name, tt := range map[string]struct{ in, err string }{
		"not JSON":           {`<html>`, "not a CSAF document"},
		"cut off":            {tree()[:200], "not a CSAF document"},
		"wrong type":         {`[1]`, "not a CSAF document"},
		"no ID":              {`{"document":{}}`, "no tracking ID"},
		"another version":    {strings.Replace(head, `"2.0"`, `"3.0"`, 1) + "}", "unsupported version"},
		"a product no ID":    {head + `,"product_tree":{"branches":[{"product":{"name":"x"}}]}}`, "has no ID"},
		"two products":       {head + `,"product_tree":{"full_product_names":[{"product_id":"x"},{"product_id":"x","product_identification_helper":{"cpe":"c"}}]}}`, "two products"},
		"two relationships":  {tree(relationship("a", "p", "os"), relationship("a", "m:1", "os")), "two relationships"},
		"half relationship":  {tree(relationship("a", "p", "")), "not complete"},
		"deep":               {head + `,"product_tree":{"branches":[` + strings.Repeat(`{"branches":[`, 40) + strings.Repeat(`]}`, 40) + `]}}`, "levels"},
		"very deep":          {head + `,"product_tree":` + strings.Repeat(`{"branches":[`, 20000), "not a CSAF document"},
		"empty objects":      {head + `,"product_tree":{"branches":[{}` + strings.Repeat(",{}", 600_000) + `]}}`, "too many values"},
		"empty product IDs":  {head + `,"vulnerabilities":[{"product_status":{"fixed":[""` + strings.Repeat(`,""`, 600_000) + `]}}]}`, "too many values"},
		"too large":          {strings.Repeat(" ", csaf.MaxSize+1), "more than"},
		"text for an object": {head + `,"vulnerabilities":[{"product_status":"fixed"}]}`, "not a CSAF document"},
	} {
		t.Run(name, func(t *testing.T) {
			if d, err := csaf.Parse([]byte(tt.in)); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%+v, %v, want an error with %q", d, err, tt.err)
			}
		})
	}
}

// TestParseGenuine: a genuine document, and what a reader of its text finds in it.
func TestParseGenuine(t *testing.T) {
	f, err := os.Open(testkit.Path(t, "feeds", "redhat-csaf-vex", "claircore-cve-2024-7348.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	d, err := csaf.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if d.ID != "CVE-2024-7348" || d.Category != csaf.VEX || d.Severity != "important" || len(d.Vulnerabilities) != 1 {
		t.Fatalf("%q, %q, %q, %d vulnerabilities", d.ID, d.Category, d.Severity, len(d.Vulnerabilities))
	}
	v := d.Vulnerabilities[0]
	if len(v.Status[csaf.Fixed]) != 2710 || len(v.Status[csaf.KnownAffected]) != 2 || v.Scores[0].V3.Text != "CVSS:3.1/AV:N/AC:H/PR:L/UI:N/S:U/C:H/I:H/A:H" {
		t.Errorf("%d fixed, %d affected, %+v", len(v.Status[csaf.Fixed]), len(v.Status[csaf.KnownAffected]), v.Scores[0].V3)
	}
	for _, ids := range v.Status {
		for _, id := range ids {
			if c, err := d.Component(id); err != nil || c.Of.CPE == "" || c.PURL == "" {
				t.Errorf("%s: %+v, %v", id, c, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(tree(relationship("os:p", "p", "os"), relationship("os:m:1", "m:1", "os"), relationship("os:m:1:p", "p", "os:m:1"))))
	f.Add([]byte(head + `,"vulnerabilities":[{"cve":"CVE-2024-1","product_status":{"fixed":["os:p"]},"scores":[{"products":["os:p"],"cvss_v3":{"vectorString":"x"}}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := csaf.Parse(b)
		if err != nil {
			return
		}
		for _, v := range d.Vulnerabilities {
			for _, ids := range v.Status {
				for _, id := range ids {
					if c, err := d.Component(id); err == nil && c.ID == "" {
						t.Errorf("%q is a component without an ID", id)
					}
				}
			}
		}
	})
}
