package api_test

import (
	"net/http"
	"reflect"
	"testing"

	"assay/remote/cyclonedx"
	"assay/service/store"
)

// A scan with keep=false gets the same decision as a stored scan, for the same tokens, and
// stores nothing.
func TestScanThatIsNotKept(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token(store.Token{Name: "ci", Project: "web"})
	doc := document(t, cyclonedx.Option{Name: "commit", Value: "c1", Origin: "flag"})
	resp, body := r.do("POST", "/api/v1/scans?keep=false", secret, doc, "Idempotency-Key", "k")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	tried := decodeVerdict(t, body)
	if tried.Scan != "" || tried.Report != "" || tried.Decision.Code != 4 {
		t.Errorf("%s", body)
	}
	if resp, body := r.do("GET", "/api/v1/passed?commit=c1", secret, nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the scan was stored: %s: %s", resp.Status, body)
	}
	// The key is still unused, so a scan of the same build is another request.
	_, body = r.do("POST", "/api/v1/scans?keep=true", secret, doc, "Idempotency-Key", "k")
	scan := decodeVerdict(t, body)
	if scan.Scan == "" || scan.Report == "" {
		t.Errorf("the scan was not stored: %s", body)
	}
	scan.Scan, scan.Report = "", ""
	if !reflect.DeepEqual(scan, tried) {
		t.Errorf("stored %+v, not stored %+v", scan, tried)
	}

	other := document(t, cyclonedx.Option{Name: "project", Value: "other", Origin: "flag"})
	if resp, _ := r.do("POST", "/api/v1/scans?keep=false", secret, other); resp.StatusCode != http.StatusForbidden {
		t.Errorf("for another project: %s", resp.Status)
	}
	reader := r.token(store.Token{Name: "reader", Scopes: []string{"read"}})
	if resp, _ := r.do("POST", "/api/v1/scans?keep=false", reader, doc); resp.StatusCode != http.StatusForbidden {
		t.Errorf("with scope read: %s", resp.Status)
	}
	if resp, _ := r.do("POST", "/api/v1/scans?keep=no", secret, doc); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("keep=no: %s", resp.Status)
	}
}
