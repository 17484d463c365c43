package cyclonedx

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"assay/remote/jsonread"
)

// FuzzReadDocument compares the reader with encoding/json. The reader must reject what is not
// JSON, and read every document that encoding/json reads into the structs with the same
// result. It skips two cases that no tool writes: keys in another case, and repeated keys.
func FuzzReadDocument(f *testing.F) {
	for _, doc := range []string{
		`{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"metadata":{"tools":{"components":[{"type":"application","name":"a","version":"1"}]},
		  "component":{"name":"x","components":[null,{"name":"y"}]},"properties":[{"name":"n","value":"v"}]},
		  "components":[{"type":"library","supplier":{"name":"s"},"publisher":"p","group":"g","name":"n\u00e9\ud83d\ude00\"","version":"1","description":"d",
		  "hashes":[{"alg":"MD5","content":"00"}],"cpe":"c","purl":"pkg:a/b","evidence":{"identity":[{"confidence":0.5e-1}],"occurrences":[{"location":"l","additionalContext":"k","line":3}]},
		  "properties":[{"name":"n","value":"v"},{}]}],"dependencies":[true,false,null,[],{}," \t"]}`,
		`{"components":null,"metadata":{"component":null,"tools":null,"properties":null}}`,
		`{"components":[{"supplier":null,"evidence":null,"hashes":null,"name":null}]}`,
		`{"components":[]}`, `{"components":[{"evidence":[]}]}`, `{"components":[1]}`, `{"a":[1,]}`, `{"a":1,}`, `{"a":01}`, `{"a":"\x"}`, "{\"a\":\"\xff\"}", "{\"name\":\"\n\"}",
		`null`, `{}x`, ` {"bomFormat" : "\ud800"} `, `{"a":nul}`, `{"a":"b`, `{"a"`, `{`, ``, `{"a":-}`,
	} {
		f.Add(doc)
	}
	limits := Limits{Values: 10_000, Depth: 64}
	f.Fuzz(func(t *testing.T, doc string) {
		if len(doc) > 10_000 {
			return
		}
		got, err := readDocument(doc, limits)
		if err == nil && !json.Valid([]byte(doc)) {
			t.Fatalf("%q was read as %+v", doc, got)
		}
		var want document
		if !ordinary(doc) || json.Unmarshal([]byte(doc), &want) != nil {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", doc, err)
		}
		want.Version, want.Schema = 0, "" // which nothing looks at
		want.Components = slices.DeleteFunc(want.Components, func(c *component) bool { return c == nil })
		if len(want.Components) == 0 {
			want.Components = nil
		}
		if normal(t, got) != normal(t, want) {
			t.Errorf("%q\n got %+v\nwant %+v", doc, got, want)
		}
	})
}

// readDocument reads a document with its components.
func readDocument(text string, limits Limits) (document, error) {
	var to collector
	r := documentReader{Reader: jsonread.New(text, limits)}
	d, err := r.document(&to)
	d.Components = to
	return d, err
}

// A collector is a taker that keeps the components.
type collector []*component

func (c *collector) reset() { *c = nil }

func (c *collector) take(taken *component) {
	kept := *taken
	kept.Hashes, kept.Properties = slices.Clone(kept.Hashes), slices.Clone(kept.Properties)
	kept.Evidence.Occurrences = slices.Clone(kept.Evidence.Occurrences)
	*c = append(*c, &kept)
}

// normal returns a document as JSON, with empty lists left out.
func normal(t *testing.T, d document) string {
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ordinary reports whether the keys of a text are in lower camel case, as those of the
// format, none is repeated in an object, and the nesting is below the limit.
func ordinary(doc string) bool {
	known := map[string]string{}
	for _, of := range []any{document{}, metadata{}, tools{}, tool{}, component{}, organization{}, hash{}, evidence{}, occurrence{}, property{}} {
		typ := reflect.TypeOf(of)
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			known[strings.ToLower(name)] = name
		}
	}
	dec := json.NewDecoder(strings.NewReader(doc))
	var objects []map[string]bool // keys of those that are open; nil for a list
	isKey := false
	for {
		token, err := dec.Token()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if key, ok := token.(string); ok && isKey {
			keys := objects[len(objects)-1]
			for lower, name := range known {
				if strings.EqualFold(key, lower) && key != name {
					return false
				}
			}
			if keys[key] {
				return false
			}
			keys[key], isKey = true, false
			continue
		}
		switch token {
		case json.Delim('{'):
			objects = append(objects, map[string]bool{})
		case json.Delim('['):
			objects = append(objects, nil)
		case json.Delim('}'), json.Delim(']'):
			objects = objects[:len(objects)-1]
		}
		if len(objects) > 60 {
			return false
		}
		isKey = len(objects) > 0 && objects[len(objects)-1] != nil
	}
}
