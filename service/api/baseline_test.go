package api_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/api"
	"assay/service/httpserver"
	"assay/service/policy/ruleset"
	"assay/service/store"
	"assay/verdict"
)

// withBaseline returns a scan of two packages of glibc with files.
func withBaseline(t *testing.T, files ...cyclonedx.File) []byte {
	t.Helper()
	libc := func(name string) inventory.Package {
		return inventory.Package{Type: "deb", Name: name, Version: "2.36-9", Arch: "amd64", Source: "glibc", SourceVersion: "2.36-9",
			Evidence: []inventory.Evidence{{Path: "var/lib/dpkg/status"}}}
	}
	var b bytes.Buffer
	if err := cyclonedx.Encode(&b, cyclonedx.Scan{Files: files, Inventory: inventory.Inventory{
		System: inventory.System{ID: "debian", VersionID: "12"}, Packages: []inventory.Package{libc("libc-dev-bin"), libc("libc6")},
	}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const libc6 = `{"bomFormat":"CycloneDX","specVersion":"1.4","components":[{"type":"library","name":"libc6","purl":"pkg:deb/debian/libc6@2.36-9?arch=amd64"}]}`

// A baseline tells findings apart, as a file or as a stored scan. A scan that the token may not
// read is treated like one that does not exist, and the answer is not trusted.
func TestBaseline(t *testing.T) {
	r := newRig(t, nil)
	ci := r.token(store.Token{Name: "ci", Project: "shop"})
	sibling := r.token(store.Token{Name: "sibling", Project: "shop"})
	reader := r.token(store.Token{Name: "reader", Project: "shop", Scopes: []string{httpserver.ScopeScan, httpserver.ScopeRead}})
	other := r.token(store.Token{Name: "other", Project: "bank", Scopes: []string{httpserver.ScopeScan, httpserver.ScopeRead}})
	_, body := r.do("POST", "/api/v1/scans", ci, []byte(libc6))
	id := decodeVerdict(t, body).Scan

	file := cyclonedx.File{Kind: cyclonedx.FileBaseline, Name: "base.json", Body: []byte(libc6)}
	scan := cyclonedx.File{Kind: cyclonedx.FileBaselineScan, Name: id}
	for _, tt := range []struct {
		name, token string
		file        cyclonedx.File
		err         string
	}{
		{"a file", ci, file, ""},
		{"a stored scan", ci, scan, ""},
		{"of the project, with scope read", reader, scan, ""},
		{"of the project, without it", sibling, scan, "or this token may not read it"},
		{"of another project", other, scan, "or this token may not read it"},
		{"unknown", ci, cyclonedx.File{Kind: cyclonedx.FileBaselineScan, Name: "aaaaaaaaaaaaaaaa"}, "there is no such scan"},
		{"no inventory", ci, cyclonedx.File{Kind: cyclonedx.FileBaseline, Name: "base.json", Body: []byte("{}")}, "not a CycloneDX document"},
	} {
		resp, body := r.do("POST", "/api/v1/scans", tt.token, withBaseline(t, tt.file))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", tt.name, body)
		}
		v := decodeVerdict(t, body)
		if err := v.Check(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		origins := map[string]string{}
		for _, f := range v.Findings {
			origins[f.Package.Name] = f.Origin
		}
		switch {
		case tt.err != "":
			if v.Decision.Code != verdict.CodeUntrusted || !strings.Contains(v.Baseline.Error, tt.err) || len(v.Findings) != 2 || origins["libc6"] != "" {
				t.Errorf("%s: %+v, %+v, %v", tt.name, v.Decision, v.Baseline, origins)
			}
		case origins["libc6"] != verdict.OriginBase || origins["libc-dev-bin"] != verdict.OriginOwn || v.Baseline.Name() != tt.file.Name || (v.Baseline.At != nil) != (tt.file.Body == nil):
			t.Errorf("%s: %+v, %v", tt.name, v.Baseline, origins)
		}
		// What was stored is what was answered.
		if _, stored := r.do("GET", "/api/v1/scans/"+v.Scan, tt.token, nil); stored != body {
			t.Errorf("%s: stored %s", tt.name, stored)
		}
	}
	if _, body := r.do("GET", "/api/v1/scans/"+id, sibling, nil); !strings.Contains(body, "no scan") {
		t.Errorf("the sibling reads the scan: %s", body)
	}
}

// The mandatory fail-on of the service holds for a build that hands in its own inventory as the
// baseline.
func TestBaselineOfItself(t *testing.T) {
	for text, code := range map[string]int{
		"all: {}":                           verdict.CodePass,
		"all: {mandatory: {fail-on: high}}": verdict.CodeFail,
		"all: {mandatory: {fail-on: high, fail-on-base: none}}":            verdict.CodePass,
		"all: {default: {fail-on-base: none}, mandatory: {fail-on: high}}": verdict.CodeFail,
	} {
		p, err := ruleset.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		r := newRig(t, func(c *config) {
			c.API = withPolicy(c.API, p)
		})
		document := withBaseline(t, cyclonedx.File{Kind: cyclonedx.FileBaseline, Name: "base.json", Body: withBaseline(t)})
		document = bytes.Replace(document, []byte(`"properties":[`), []byte(`"properties":[{"name":"assay:option:flag:fail-on-base","value":"none"},`), 1)
		_, body := r.do("POST", "/api/v1/scans", r.token(store.Token{}), document)
		if v := decodeVerdict(t, body); v.Decision.Code != code || v.Baseline.Base != 2 {
			t.Errorf("%s: %+v, %+v", text, v.Decision, v.Baseline)
		}
	}
}

func withPolicy(c api.Config, p *ruleset.Policy) api.Config {
	c.Policy = func(context.Context) (*ruleset.Policy, error) { return p, nil }
	return c
}

// A baseline of 10,000 packages is read within the memory of the service.
func TestLargeBaseline(t *testing.T) {
	var components []string
	for i := range 10_000 {
		components = append(components, fmt.Sprintf(`{"type":"library","name":"p%d","purl":"pkg:deb/debian/p%d@1?arch=amd64","evidence":{"occurrences":[{"location":"var/lib/dpkg/status"}]}}`, i, i))
	}
	file := cyclonedx.File{Kind: cyclonedx.FileBaseline, Name: "base.json", Body: []byte(`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[` + strings.Join(components, ",") + `]}`)}
	r := newRig(t, nil)
	_, body := r.do("POST", "/api/v1/scans", r.token(store.Token{}), withBaseline(t, file))
	if v := decodeVerdict(t, body); v.Baseline == nil || v.Baseline.Packages != 10_000 || v.Baseline.Own != 2 || v.Decision.Code != verdict.CodeFail {
		t.Errorf("%+v, %+v", v.Decision, v.Baseline)
	}
}

// A stored scan is a baseline with each store. One that is damaged is not ignored.
func TestStoredBaseline(t *testing.T) {
	onStores(t, func(t *testing.T, r *ratchetRig) {
		r.setPolicy("all: {}")
		shop := r.token(store.Token{Name: "shop", Project: "shop"})
		base := r.scan(t, shop, "base", "none", []string{"old00"})
		scan := func() verdict.Verdict {
			var b bytes.Buffer
			npm := func(name string) inventory.Package {
				return inventory.Package{Type: "npm", Name: name, Version: "1.0.0", Evidence: []inventory.Evidence{{Path: "app/node_modules/" + name, Kind: "npm"}}}
			}
			if err := cyclonedx.Encode(&b, cyclonedx.Scan{
				Files:     []cyclonedx.File{{Kind: cyclonedx.FileBaselineScan, Name: base.Scan}},
				Inventory: inventory.Inventory{Packages: []inventory.Package{npm("old00"), npm("old01")}},
			}); err != nil {
				t.Fatal(err)
			}
			_, body := r.do("POST", "/api/v1/scans", shop, b.Bytes())
			return decodeVerdict(t, body)
		}
		if v := scan(); v.Baseline == nil || v.Baseline.Base != 1 || v.Baseline.Own != 1 || v.Baseline.Packages != 2 || v.Baseline.At == nil || !v.Baseline.At.Equal(*r.now.Load()) {
			t.Errorf("%+v", v.Baseline)
		}
		r.damage(base.Scan)
		if v := scan(); v.Decision.Code != verdict.CodeUntrusted || v.Baseline.Error != "the stored scan cannot be read" {
			t.Errorf("damaged: %+v, %+v", v.Decision, v.Baseline)
		}
	})
}
