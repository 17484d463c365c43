package snapshot

import (
	"crypto/sha256"
	"reflect"
	"testing"
	"time"

	"assay/service/index"
)

// Every field that the index keeps has a value in the golden records. The test fails for a
// new field until a golden record has it, which makes the field part of the format.
func TestGoldenCovers(t *testing.T) {
	seen := map[string]bool{}
	var look func(name string, v reflect.Value)
	look = func(name string, v reflect.Value) {
		if !v.IsZero() {
			seen[name] = true
		}
		switch {
		case v.Type() == reflect.TypeFor[time.Time]():
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				look(name+"."+v.Type().Field(i).Name, v.Field(i))
			}
		case v.Kind() == reflect.Slice:
			for i := range v.Len() {
				look(name, v.Index(i))
			}
		}
	}
	var all func(name string, typ reflect.Type)
	var want []string
	all = func(name string, typ reflect.Type) {
		want = append(want, name)
		switch {
		case typ == reflect.TypeFor[time.Time]():
		case typ.Kind() == reflect.Struct:
			for i := range typ.NumField() {
				all(name+"."+typ.Field(i).Name, typ.Field(i).Type)
			}
		case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct:
			all(name, typ.Elem())
		}
	}
	all("entry", reflect.TypeFor[index.Entry]())
	all("vulnerability", reflect.TypeFor[index.Vulnerability]())
	withdrawn := 0
	for _, c := range goldenChanges() {
		if c.record == nil {
			withdrawn++
			continue
		}
		look("vulnerability", reflect.ValueOf(c.record.Vulnerability))
		for _, e := range c.entries {
			look("entry", reflect.ValueOf(e))
		}
	}
	for _, name := range want {
		if !seen[name] {
			t.Errorf("no golden record has a value for %s", name)
		}
	}
	if withdrawn != 3 {
		t.Errorf("%d golden records are withdrawn or cannot be read, want 3", withdrawn)
	}
}

// Every change of how a record is compiled changes the format.
func TestFormat(t *testing.T) {
	digest := func(changes []change) string {
		h := sha256.New()
		for _, c := range changes {
			digestChange(func(name string, key, value []byte) {
				h.Write([]byte(name))
				h.Write(key)
				h.Write(value)
			}, c)
		}
		return string(h.Sum(nil))
	}
	before := digest(goldenChanges())
	if digest(goldenChanges()) != before {
		t.Fatal("the golden records are not compiled to the same bytes each time")
	}
	for what, change := range map[string]func(*change){
		"name":     func(c *change) { c.entries[0].Name += "x" },
		"version":  func(c *change) { c.entries[0].Affected.Urgency = "other" },
		"summary":  func(c *change) { c.record.Summary += "x" },
		"notice":   func(c *change) { c.record.Notice = !c.record.Notice },
		"no entry": func(c *change) { c.entries = c.entries[1:] },
	} {
		changes := goldenChanges()
		for i := range changes {
			if len(changes[i].entries) > 0 {
				change(&changes[i])
				break
			}
		}
		if digest(changes) == before {
			t.Errorf("another %s makes no difference", what)
		}
	}
}

func BenchmarkFormat(b *testing.B) {
	for b.Loop() {
		digestFormat(sha256.New())
	}
}
