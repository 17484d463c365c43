package verdict_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"assay/check/testkit"
	"assay/verdict"
)

// TestOpenAPI compares the schemas of docs/openapi.yaml with the Go types. Each type has a
// schema with its properties and their types. A property is required if the field is always
// written.
func TestOpenAPI(t *testing.T) {
	doc := openAPI(t)
	schemas := doc.at("components", "schemas")
	seen := map[reflect.Type]bool{}
	var hold func(reflect.Type)
	hold = func(typ reflect.Type) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		schema := schemas.at(schemaName(typ))
		if schema == nil {
			t.Errorf("no schema %s", typ.Name())
			return
		}
		var names, required []string
		for _, f := range reflect.VisibleFields(typ) {
			if f.Anonymous { // its fields follow
				continue
			}
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			names = append(names, name)
			if !strings.Contains(options, "omitempty") {
				required = append(required, name)
			}
			property := schema.at("properties", name)
			if property == nil {
				t.Errorf("%s has no property %q", typ.Name(), name)
				continue
			}
			at := typ.Name() + "." + name
			if got, want := property.kind(), kind(at, f.Type); got != want {
				t.Errorf("%s is %s, want %s", at, got, want)
			}
			for inner := f.Type; ; inner = inner.Elem() {
				if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[time.Time]() {
					hold(inner)
				}
				if k := inner.Kind(); k != reflect.Slice && k != reflect.Pointer {
					break
				}
			}
		}
		if got := schema.at("properties").keys; !slices.Equal(got, names) {
			t.Errorf("properties of %s: %q, want %q", typ.Name(), got, names)
		}
		if got := schema.list("required"); !slices.Equal(got, required) {
			t.Errorf("required of %s: %q, want %q", typ.Name(), got, required)
		}
	}
	hold(reflect.TypeFor[verdict.Verdict]())
	if len(seen) < 11 {
		t.Errorf("only %d types were compared", len(seen))
	}

	var severities []string
	for _, s := range verdict.Severities() {
		severities = append(severities, string(s))
	}
	if got := schemas.at("Severity").list("enum"); !slices.Equal(got, severities) {
		t.Errorf("severities %q, want %q", got, severities)
	}
	outcomes := []string{string(verdict.Pass), string(verdict.Fail), string(verdict.Untrusted)}
	if got := schemas.at("Outcome").list("enum"); !slices.Equal(got, outcomes) {
		t.Errorf("outcomes %q, want %q", got, outcomes)
	}
}

// schemaName returns the name of a type in the document, which generated clients use.
func schemaName(typ reflect.Type) string {
	if typ == reflect.TypeFor[verdict.ScanError]() {
		return "Partial"
	}
	return typ.Name()
}

// TestOpenAPIReferences: every reference has a target.
func TestOpenAPIReferences(t *testing.T) {
	b, err := os.ReadFile(openAPIPath(t))
	if err != nil {
		t.Fatal(err)
	}
	doc := openAPI(t)
	refs := regexp.MustCompile(`\$ref: "#/([^"]+)"`).FindAllStringSubmatch(string(b), -1)
	if len(refs) < 40 {
		t.Fatalf("only %d references", len(refs))
	}
	for _, ref := range refs {
		if doc.at(strings.Split(ref[1], "/")...) == nil {
			t.Errorf("no target of the reference %s", ref[1])
		}
	}
}

// TestAPIDoc: docs/api.md names every field of the verdict, and docs/exit-codes.md every
// rule.
func TestAPIDoc(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	api := read("api.md")
	schemas := openAPI(t).at("components", "schemas")
	for _, name := range []string{"Verdict", "Decision", "Reason", "Finding", "Package", "Counts", "Part", "PartCause", "System", "Partial", "Data", "IgnoredOption", "ExceptionFile", "Baseline", "Remedy"} {
		for _, property := range schemas.at(name, "properties").keys {
			if !strings.Contains(api, "`"+property+"`") {
				t.Errorf("api.md does not name %s.%s", name, property)
			}
		}
	}
	for _, option := range schemas.at("Options", "properties").keys {
		if !strings.Contains(api, "`"+strings.ReplaceAll(option, "_", "-")+"`") && !strings.Contains(api, "`"+option+"`") {
			t.Errorf("api.md does not name the option of %s", option)
		}
	}
	codes := read("exit-codes.md")
	for _, rule := range []string{
		"severity", "known-exploited", "malicious", "end-of-life", "nothing-recognised", "database-unreadable", "no-data",
		"data-too-old", "partial", "clean", "unfixed", "below-threshold", "unimportant", "kernel", "ignored-by-distribution",
		"judged-by-distribution", "not-in-program", "needs-subscription", "no-os-packages", "contradiction", "end-of-life-unknown", "epss", "grace", "known", "accepted", "vex", "forbidden", "exceptions-unreadable", "baseline-unreadable",
	} {
		if !strings.Contains(codes, "`"+rule+"`") {
			t.Errorf("exit-codes.md does not name the rule %s", rule)
		}
	}
}

// kind returns the kind that the property of a Go type must have. at is the name of the
// field: the severities of options can also be "none", so they have another schema.
func kind(at string, typ reflect.Type) string {
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return "string date-time"
	case typ == reflect.TypeFor[verdict.Seconds]():
		return "string"
	case typ.Kind() == reflect.Pointer:
		return kind(at, typ.Elem())
	case typ.Kind() == reflect.Slice:
		return "array of " + kind(at, typ.Elem())
	case typ.Kind() == reflect.Map:
		return "object of " + kind(at, typ.Elem())
	case typ.Kind() == reflect.Struct, typ.Kind() == reflect.String && typ.Name() != "string" && !strings.HasPrefix(at, "Options."):
		return "#/components/schemas/" + schemaName(typ)
	}
	switch typ.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Float64:
		return "number"
	}
	return "?"
}

// A node is a value of the YAML document: a mapping with its keys in order, or other text.
type node struct {
	keys   []string
	fields map[string]*node
	text   string
}

func (n *node) at(path ...string) *node {
	for _, key := range path {
		if n == nil {
			return nil
		}
		n = n.fields[key]
	}
	return n
}

func (n *node) list(key string) []string {
	child := n.at(key)
	if child == nil {
		return nil
	}
	return strings.Split(strings.Trim(child.text, "[]"), ", ")
}

// kind returns the kind of a schema, in the words of the function kind.
func (n *node) kind() string {
	if ref := n.at("$ref"); ref != nil {
		return strings.Trim(ref.text, `"`)
	}
	typ := n.at("type")
	if typ == nil {
		return "nothing"
	}
	switch typ.text {
	case "array":
		return "array of " + n.at("items").kind()
	case "object":
		return "object of " + n.at("additionalProperties").kind()
	}
	if format := n.at("format"); format != nil {
		return typ.text + " " + format.text
	}
	return typ.text
}

// TestOpenAPIIsYAML reads the document as tools do.
func TestOpenAPIIsYAML(t *testing.T) {
	b, err := os.ReadFile(openAPIPath(t))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]any
	}
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Paths) == 0 {
		t.Error("the document has no paths")
	}
}

func openAPIPath(t *testing.T) string {
	return filepath.Join(testkit.Root(t), "docs", "openapi.yaml")
}

// openAPI reads the document. It supports the small part of YAML that the document uses:
// mappings indented by two columns, plain or quoted text on one line, lists in brackets. It
// skips block lists.
func openAPI(t *testing.T) *node {
	t.Helper()
	b, err := os.ReadFile(openAPIPath(t))
	if err != nil {
		t.Fatal(err)
	}
	root := &node{fields: map[string]*node{}}
	open := []*node{root} // by depth
	listed := -1          // columns of the dash of a list in a block
	for i, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if listed >= 0 && indent > listed {
			continue
		}
		listed = -1
		if strings.HasPrefix(line[indent:], "- ") {
			listed = indent
			continue
		}
		key, text, ok := strings.Cut(line[indent:], ":")
		depth := indent / 2
		if !ok || indent%2 != 0 || depth >= len(open) || text != "" && text[0] != ' ' {
			t.Fatalf("openapi.yaml:%d: unsupported YAML: %q", i+1, line)
		}
		key = strings.Trim(key, `"`)
		child := &node{fields: map[string]*node{}, text: strings.TrimSpace(text)}
		parent := open[depth]
		if parent.fields[key] != nil {
			t.Fatalf("openapi.yaml:%d: duplicate key %q", i+1, key)
		}
		parent.keys = append(parent.keys, key)
		parent.fields[key] = child
		open = append(open[:depth+1], child)
	}
	return root
}
