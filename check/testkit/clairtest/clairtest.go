// Package clairtest compares answers with the OpenAPI file of Clair v4.
package clairtest

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

// indexReport is the path of the indexer.
const indexReport = "/indexer/api/v1/index_report"

// An API is Clair's OpenAPI file. It is version 3.1, whose schemas are JSON Schema
// 2020-12 as they are.
type API struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Schemas   map[string]json.RawMessage
		Responses map[string]Response
	}
	compiler *jsonschema.Compiler
}

type operation struct{ Responses map[string]Response }

type Response struct {
	Ref     string `json:"$ref"`
	Headers map[string]json.RawMessage
	Content map[string]struct {
		Schema struct {
			Ref string `json:"$ref"`
		}
	}
}

// Load reads the file.
func Load(t testing.TB) *API {
	t.Helper()
	text, err := os.ReadFile(testkit.Path(t, "schemas", "clair-v4-openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	a := &API{compiler: jsonschema.NewCompiler()}
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

// Response returns what the file says about a status of an operation.
func (a *API) Response(method, path string, status int) (Response, error) {
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
			return Response{}, err
		}
		found, ok := op.Responses[fmt.Sprint(status)]
		if !ok && strings.HasPrefix(path, "/matcher/api/v1/vulnerability_report/") && status == http.StatusOK {
			// The file has 201. Clair sends 200, and clairctl takes nothing else.
			found, ok = op.Responses["201"]
		}
		if !ok && status >= 400 {
			if found, ok = op.Responses["default"]; !ok {
				// index_state has no errors in the file, and has them in Clair.
				found, ok = a.Components.Responses["oops"]
			}
		}
		if !ok && strings.HasPrefix(path, indexReport+"/") && status == http.StatusNotModified {
			return Response{}, nil // as Clair answers
		}
		if !ok {
			return Response{}, fmt.Errorf("the file has no response %d to %s %s", status, method, pattern)
		}
		if found.Ref != "" {
			found = a.Components.Responses[strings.TrimPrefix(found.Ref, "#/components/responses/")]
		}
		return found, nil
	}
	return Response{}, fmt.Errorf("the file has no %s %s", method, path)
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

// Check returns an error if an answer is not as the file has it.
func (a *API) Check(method, path string, status int, header http.Header, body []byte) error {
	if status == http.StatusMethodNotAllowed { // of a method that the file does not have
		method = http.MethodGet
		if path == indexReport {
			method = http.MethodPost
		}
	}
	want, err := a.Response(method, path, status)
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
	return a.Validate(strings.TrimPrefix(content.Schema.Ref, "#/components/schemas/"), body)
}

// Validate returns an error if a document is not as a schema of the file has it.
func (a *API) Validate(name string, body []byte) error {
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
