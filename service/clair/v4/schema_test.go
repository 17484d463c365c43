package v4

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"assay/check/testkit"
)

// An openAPI is Clair's OpenAPI file. It is version 3.1, whose schemas are JSON Schema
// 2020-12 as they are.
type openAPI struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Schemas   map[string]json.RawMessage
		Responses map[string]response
	}
	compiler *jsonschema.Compiler
}

type operation struct{ Responses map[string]response }

type response struct {
	Ref     string `json:"$ref"`
	Headers map[string]json.RawMessage
	Content map[string]struct {
		Schema struct {
			Ref string `json:"$ref"`
		}
	}
}

func loadOpenAPI(t *testing.T) *openAPI {
	t.Helper()
	text, err := os.ReadFile(testkit.Path(t, "schemas", "clair-v4-openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	a := &openAPI{compiler: jsonschema.NewCompiler()}
	if err := json.Unmarshal(text, a); err != nil {
		t.Fatal(err)
	}
	a.compiler.DefaultDraft(jsonschema.Draft2020)
	a.compiler.AssertFormat()
	for name, schema := range a.Components.Schemas {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
		if err != nil {
			t.Fatal(err)
		}
		if err := a.compiler.AddResource(schemaURL(name), doc); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func schemaURL(name string) string {
	return "https://clairproject.org/api/http/v1/" + name + ".schema.json"
}

// response returns what the file says about a status of an operation.
func (a *openAPI) response(method, path string, status int) (response, error) {
	for pattern, operations := range a.Paths {
		if !matches(pattern, path) {
			continue
		}
		text, ok := operations[strings.ToLower(method)]
		if !ok {
			continue
		}
		var op operation
		if err := json.Unmarshal(text, &op); err != nil {
			return response{}, err
		}
		found, ok := op.Responses[fmt.Sprint(status)]
		if !ok && strings.HasPrefix(path, vulnerabilityReportPath) && status == http.StatusOK {
			// The file has 201. Clair sends 200, and clairctl takes nothing else.
			found, ok = op.Responses["201"]
		}
		if !ok && status >= 400 {
			if found, ok = op.Responses["default"]; !ok {
				// index_state has no errors in the file, and has them in Clair.
				found, ok = a.Components.Responses["oops"]
			}
		}
		if !ok && strings.HasPrefix(path, indexReportPath+"/") && status == http.StatusNotModified {
			return response{}, nil // as Clair answers
		}
		if !ok {
			return response{}, fmt.Errorf("the file has no response %d to %s %s", status, method, pattern)
		}
		if found.Ref != "" {
			found = a.Components.Responses[strings.TrimPrefix(found.Ref, "#/components/responses/")]
		}
		return found, nil
	}
	return response{}, fmt.Errorf("the file has no %s %s", method, path)
}

func matches(pattern, path string) bool {
	p, q := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(p) != len(q) {
		return false
	}
	for i := range p {
		if p[i] != q[i] && !strings.HasPrefix(p[i], "{") {
			return false
		}
	}
	return true
}

// check returns an error if an answer is not as the file has it.
func (a *openAPI) check(method, path string, status int, header http.Header, body []byte) error {
	if status == http.StatusMethodNotAllowed { // of a method that the file does not have
		method = http.MethodGet
		if path == indexReportPath {
			method = http.MethodPost
		}
	}
	want, err := a.response(method, path, status)
	if err != nil {
		return err
	}
	for name, text := range want.Headers {
		if name != "Clair-Error" && header.Get(name) == "" { // which is a trailer
			return fmt.Errorf("the header %s is missing: %s", name, text)
		}
	}
	if len(want.Content) == 0 {
		if len(body) > 0 {
			return fmt.Errorf("there is a body: %s", body)
		}
		return nil
	}
	content, ok := want.Content[header.Get("Content-Type")]
	if !ok {
		return fmt.Errorf("the file has no content type %q", header.Get("Content-Type"))
	}
	return a.validate(strings.TrimPrefix(content.Schema.Ref, "#/components/schemas/"), body)
}

func (a *openAPI) validate(name string, body []byte) error {
	schema, err := a.compiler.Compile(schemaURL(name))
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(doc)
}

// A validating transport compares every answer with the file.
type validating struct {
	t   *testing.T
	api *openAPI
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
	if err := v.api.check(req.Method, req.URL.Path, resp.StatusCode, resp.Header, b.Bytes()); err != nil {
		v.t.Errorf("%s %s: %s: %v in %s", req.Method, req.URL.Path, resp.Status, err, b.Bytes())
	}
	v.statuses[fmt.Sprint(req.Method, " ", strings.Split(req.URL.Path, "/sha")[0], " ", resp.StatusCode)]++
	return resp, nil
}

type readCloser struct{ *bytes.Buffer }

func (readCloser) Close() error { return nil }

// TestSchemas proves that the comparison refuses what is wrong.
func TestSchemas(t *testing.T) {
	a := loadOpenAPI(t)
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
		if err := a.validate(tt.schema, []byte(tt.body)); (err == nil) != tt.ok {
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
		if _, err := a.response(tt.method, tt.path, tt.status); (err == nil) != tt.ok {
			t.Errorf("%s %s %d: %v", tt.method, tt.path, tt.status, err)
		}
	}
}
