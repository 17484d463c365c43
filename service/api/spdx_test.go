package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"assay/inspect/inventory"
	"assay/remote/spdx"
	"assay/service/httpserver"
	"assay/service/report/formats"
	"assay/service/store"
	"assay/verdict"
)

// spdxDocument is the document of document in SPDX, or a statement about it.
func spdxDocument(t *testing.T, statement bool) []byte {
	t.Helper()
	d := spdx.Document{Name: "image", Namespace: "https://example.com/x", Created: now, Tool: "other 1.0", Inventory: inventory.Inventory{
		System: inventory.System{ID: "debian", VersionID: "12"},
		Packages: []inventory.Package{{
			Type: "deb", Name: "libc6", Version: "2.36-9", Arch: "amd64", Source: "glibc", SourceVersion: "2.36-9",
			Evidence: []inventory.Evidence{{Path: "var/lib/dpkg/status", Kind: "dpkg"}},
		}},
	}}
	var b bytes.Buffer
	write := spdx.Write
	if statement {
		write = spdx.WriteStatement
	}
	if err := write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestSPDX: an SPDX document gives the findings of the CycloneDX document of the same
// inventory. It is kept, explained and reported like that.
func TestSPDX(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token(store.Token{Scopes: []string{httpserver.ScopeScan, httpserver.ScopeRead}})
	_, body := r.do("POST", "/api/v1/scans", secret, document(t))
	want, err := json.Marshal(decodeVerdict(t, body).Findings)
	if err != nil {
		t.Fatal(err)
	}
	for contentType, doc := range map[string][]byte{
		"application/spdx+json": spdxDocument(t, false), "application/json": spdxDocument(t, false), "application/vnd.in-toto+json": spdxDocument(t, true),
	} {
		resp, body := r.do("POST", "/api/v1/scans?report=spdx&report=cyclonedx", secret, doc, "Content-Type", contentType)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s: %s", contentType, resp.Status, body)
		}
		v := decodeVerdict(t, body)
		got, err := json.Marshal(v.Findings)
		if err != nil || !bytes.Equal(got, want) || len(v.Findings) != 1 || v.Decision.Outcome != verdict.Fail {
			t.Errorf("%s: %s %s, %v\nwant %s", contentType, v.Decision.Outcome, got, err, want)
		}
		if resp, body := r.do("GET", "/api/v1/scans/"+v.Scan+"/explain?id=CVE-2023-4911", secret, nil); resp.StatusCode != http.StatusOK || !strings.Contains(body, `"found":true`) {
			t.Errorf("%s: explain: %s: %s", contentType, resp.Status, body)
		}
		for _, f := range formats.All() {
			if resp, body := r.do("GET", "/api/v1/scans/"+v.Scan+"/report?format="+f.Name, secret, nil); resp.StatusCode != http.StatusOK || !strings.Contains(body, "libc6") {
				t.Errorf("%s: report %s: %s: %s", contentType, f.Name, resp.Status, body)
			}
		}
		// The documents that the service writes can be sent again.
		for _, format := range []string{"spdx", "cyclonedx"} {
			_, doc := r.do("GET", "/api/v1/scans/"+v.Scan+"/report?format="+format, secret, nil)
			resp, body := r.do("POST", "/api/v1/scans?keep=false", secret, []byte(doc))
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("%s again: %s: %s", format, resp.Status, body)
			}
			if got, err := json.Marshal(decodeVerdict(t, body).Findings); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s again: %s, %v\nwant %s", format, got, err, want)
			}
		}
	}
}

// TestSPDXWithoutPackages: a document of which nothing can be mapped is not clean.
func TestSPDXWithoutPackages(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token(store.Token{})
	for _, doc := range []string{
		`{"spdxVersion":"SPDX-2.3","packages":[{"SPDXID":"SPDXRef-1","name":"openssl","versionInfo":"1.1.1"}]}`,
		`{"spdxVersion":"SPDX-2.3","packages":[]}`,
		`{"spdxVersion":"SPDX-2.3","files":[{"fileName":"./openssl"}]}`,
	} {
		resp, body := r.do("POST", "/api/v1/scans", secret, []byte(doc))
		if v := decodeVerdict(t, body); resp.StatusCode != http.StatusOK || v.Decision.Outcome != verdict.Untrusted {
			t.Errorf("%s: %s %s", doc, resp.Status, body)
		}
	}
	for _, doc := range []string{`{"spdxVersion":"SPDX-3.0"}`, `{"spdxVersion":"SPDX-2.3","packages":[`} {
		if resp, body := r.do("POST", "/api/v1/scans", secret, []byte(doc)); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s %s", doc, resp.Status, body)
		}
	}
}
