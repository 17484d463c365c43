package v4

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"assay/check/testkit/clairtest"
)

// A validating transport compares every answer with the file.
type validating struct {
	t   *testing.T
	api *clairtest.API
	// statuses counts the answers that were compared.
	statuses map[string]int
}

func (v *validating) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		return nil, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	resp.Body = readCloser{&b}
	if err := v.api.Check(req.Method, req.URL.Path, resp.StatusCode, resp.Header, b.Bytes()); err != nil {
		v.t.Errorf("%s %s: %s: %v in %s", req.Method, req.URL.Path, resp.Status, err, b.Bytes())
	}
	v.statuses[fmt.Sprint(req.Method, " ", strings.Split(req.URL.Path, "/sha")[0], " ", resp.StatusCode)]++
	return resp, nil
}

type readCloser struct{ *bytes.Buffer }

func (readCloser) Close() error { return nil }

// TestSchemas proves that the comparison refuses what is wrong.
func TestSchemas(t *testing.T) {
	a := clairtest.Load(t)
	const hash = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
	for name, tt := range map[string]struct {
		schema, body string
		ok           bool
	}{
		"the least report":    {"index_report", `{"manifest_hash":"` + hash + `","state":"IndexError","success":false}`, true},
		"an unknown field":    {"index_report", `{"manifest_hash":"` + hash + `","state":"IndexError","success":false,"x":1}`, false},
		"no hash":             {"index_report", `{"state":"IndexError","success":false}`, false},
		"no digest":           {"index_report", `{"manifest_hash":"sha256:0","state":"IndexError","success":false}`, false},
		"a null package":      {"index_report", `{"manifest_hash":"` + hash + `","state":"","success":true,"packages":{"1":null}}`, false},
		"a package":           {"index_report", `{"manifest_hash":"` + hash + `","state":"","success":true,"packages":{"1":{"name":"a","version":"1"}}}`, true},
		"its null source":     {"index_report", `{"manifest_hash":"` + hash + `","state":"","success":true,"packages":{"1":{"name":"a","version":"1","source":null}}}`, false},
		"its kind":            {"package", `{"name":"a","version":"1","kind":"binary"}`, false},
		"its CPE":             {"package", `{"name":"a","version":"1","cpe":""}`, false},
		"a vulnerability":     {"vulnerability", `{"id":"1","updater":"u","name":"n","normalized_severity":"High","package":{"name":"a","version":""},"arch_op":"equals"}`, true},
		"without arch_op":     {"vulnerability", `{"id":"1","updater":"u","name":"n","normalized_severity":"High","package":{"name":"a","version":""}}`, false},
		"of an own severity":  {"vulnerability", `{"id":"1","updater":"u","name":"n","normalized_severity":"high","distribution":{"id":"1"}}`, false},
		"with Clair 1's dist": {"vulnerability", `{"id":"1","updater":"u","name":"n","normalized_severity":"High","distribution":{"id":"1"},"dist":{}}`, false},
		"issued some day":     {"vulnerability", `{"id":"1","updater":"u","name":"n","normalized_severity":"High","distribution":{"id":"1"},"issued":"some day"}`, false},
		"an error":            {"error", `{"message":"m"}`, true},
		"assay's error":       {"error", `{"error":"m"}`, false},
	} {
		if err := a.Validate(tt.schema, []byte(tt.body)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, tt := range []struct {
		method, path string
		status       int
		ok           bool
	}{
		{"GET", "/indexer/api/v1/index_report/" + hash, 200, true},
		{"GET", "/indexer/api/v1/index_report/" + hash, 201, false},
		{"GET", "/indexer/api/v1/index_report/" + hash, 500, true},
		{"PUT", "/indexer/api/v1/index_report/" + hash, 200, false},
		{"GET", "/indexer/api/v1/other", 200, false},
	} {
		if _, err := a.Response(tt.method, tt.path, tt.status); (err == nil) != tt.ok {
			t.Errorf("%s %s %d: %v", tt.method, tt.path, tt.status, err)
		}
	}
}
