package httpserver

import "testing"

func TestRedact(t *testing.T) {
	const token = "assay_0123456789ABCDEFGHIJKLMNOPQRSTUV0jfF3F"
	for given, want := range map[string]string{
		"/" + token + "/x":            "/[token]/x",
		token[:20]:                    "[token]",
		"/api/v1/scans/" + token:      "/api/v1/scans/[token]",
		"/api/v1/scans/mzxw6ytboi3d":  "/api/v1/scans/mzxw6ytboi3d",
		"/assay":                      "/assay",
		"/v2/assay/manifests/latest":  "/v2/assay/manifests/latest",
		"/clients/linux/amd64/assay_": "/clients/linux/amd64/assay_",
	} {
		if got := redact(given); got != want {
			t.Errorf("redact(%q) = %q, want %q", given, got, want)
		}
	}
}
