package wordfence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/feedtest"
	"assay/check/testkit/wordfencetest"
	"assay/service/feed/whole"
	"assay/service/store"
)

func genuine(t *testing.T) (map[string][]byte, int) {
	production, n := wordfencetest.Production(t)
	scanner := []byte(`{"00000000-0000-4000-8000-000000000001":` + minimal("00000000-0000-4000-8000-000000000001", `{"type":"theme","slug":"New","affected_versions":{"x":`+span("*", true, "1.2", false)+`}}`) + `}`)
	return map[string][]byte{"production": production, "scanner": scanner}, n + 1
}

func span(from string, fromIn bool, to string, toIn bool) string {
	return fmt.Sprintf(`{"from_version":%q,"from_inclusive":%t,"to_version":%q,"to_inclusive":%t}`, from, fromIn, to, toIn)
}

// minimal is a record as in "scanner".
func minimal(id, software string) string {
	return `{"id":"` + id + `","title":"t","software":[` + software + `],"references":[],"published":"2026-01-02 03:04:05","copyrights":{"message":"m","defiant":{"notice":"n","license":"l"}}}`
}

// TestUpdate updates from a server with all genuine records of the test data.
func TestUpdate(t *testing.T) {
	all, n := genuine(t)
	s := feedtest.New(t, Source(), all)
	o, err := s.Update(t)
	if err != nil || o.Added != n || o.Rejected != 0 {
		t.Fatalf("%+v, %v, want %d records", o, err, n)
	}
	s.Sent()
	if o, err = s.Update(t); err != nil || o.Added+o.Changed+o.Removed != 0 || s.Sent() != 0 {
		t.Errorf("again: %+v, %v", o, err)
	}
	a := s.Advisories(t)
	genuine := a[Prefix+"4bce4f04-e622-468a-ac7e-5903ad50cc13"]
	got, err := json.Marshal(genuine)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"modified":"2024-02-24T08:38:15Z","published":"2024-02-23T00:00:00Z","aliases":["CVE-2023-5775"]`,
		`"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:H/PR:H/UI:N/S:U/C:L/I:N/A:N"}]`,
		`"package":{"ecosystem":"WordPress","name":"plugin/backwpup","purl":"pkg:wordpress/plugin/backwpup"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"4.0.3"}]}]`,
		"Copyright 2012-2024 Defiant Inc.", "Defiant hereby grants you", "Copyright 1999-2024 The MITRE Corporation",
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	for id, a := range a {
		if !strings.Contains(string(a.DatabaseSpecific), `"license"`) {
			t.Errorf("%s has no licence", id)
		}
	}
	// A record of "scanner" counts until "production" has it.
	const id = "00000000-0000-4000-8000-000000000001"
	if got := a[Prefix+id].Affected[0].Package.Name; got != "theme/new" {
		t.Errorf("package %q", got)
	}
	s.Put("production", bytes.Replace(all["production"], []byte("{"), []byte(`{"`+id+`":`+strings.Replace(minimal(id, `{"type":"theme","slug":"new","affected_versions":{"x":`+span("*", true, "1.2", false)+`}}`), `"t"`, `"analysed"`, 1)+`,`), 1))
	if o, err = s.Update(t); err != nil || o.Changed != 1 || o.Added+o.Removed+o.Rejected != 0 {
		t.Errorf("a record moves: %+v, %v", o, err)
	}
	if got := s.Advisories(t)[Prefix+id].Summary; got != "analysed" {
		t.Errorf("summary %q", got)
	}
	t.Logf("%d records converted", n)
}

// TestBroken: what is not the feed changes nothing. A form of another client of the feed
// is rejected, not half read.
func TestBroken(t *testing.T) {
	all, _ := genuine(t)
	var records map[string]json.RawMessage
	if err := json.Unmarshal(all["production"], &records); err != nil {
		t.Fatal(err)
	}
	for _, id := range slices.Sorted(maps.Keys(records))[20:] {
		delete(records, id) // each form is imported as far as it goes
	}
	some, err := json.Marshal(records)
	if err != nil {
		t.Fatal(err)
	}
	all["production"] = some
	camelCase, err := os.ReadFile(testkit.Path(t, "wordpress", "feeds", "wordfence", "record.v2-scanner.opening-hours.camelCase.json"))
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string][]byte{
		"camel case": []byte(`{"0004db27-9ea6-4387-ab1d-b95558784ed9":` + string(camelCase) + `,"another":` + string(camelCase) + `}`),
		"a list":     []byte(`[` + minimal("a", "") + `]`),
		"too large":  []byte(`{"a":"` + strings.Repeat("x", maxRecord+readAheadForTest) + `"}`),
	}
	s := feedtest.New(t, Source(), all)
	if _, err := s.Update(t); err != nil {
		t.Fatal(err)
	}
	s.Broken(t, "production", forms)
}

const readAheadForTest = 1 << 20

// TestRejected: one bad record is rejected, counted and named, and the others stay.
func TestRejected(t *testing.T) {
	good := `{"type":"plugin","slug":"a","affected_versions":{"x":` + span("*", true, "1", true) + `}}`
	for name, bad := range map[string]string{
		"another ID":          `"00-bad":` + minimal("other", good),
		"no software":         `"00-bad":` + minimal("00-bad", ""),
		"unknown type":        `"00-bad":` + minimal("00-bad", strings.Replace(good, "plugin", "widget", 1)),
		"no affected_version": `"00-bad":` + minimal("00-bad", `{"type":"plugin","slug":"a"}`),
		"half a range":        `"00-bad":` + minimal("00-bad", `{"type":"plugin","slug":"a","affected_versions":{"x":{"from_version":"*"}}}`),
		"a null range":        `"00-bad":` + minimal("00-bad", `{"type":"plugin","slug":"a","affected_versions":{"x":null}}`),
		"no time":             `"00-bad":` + strings.Replace(minimal("00-bad", good), "2026-01-02 03:04:05", "soon", 1),
		"no licence":          `"00-bad":` + strings.Replace(minimal("00-bad", good), "copyrights", "other", 1),
		"not an object":       `"00-bad":[1]`,
		"null":                `"00-bad":null`,
	} {
		t.Run(name, func(t *testing.T) {
			file := `{` + bad + `,"b":` + minimal("b", good) + `,"c":` + minimal("c", good) + `}`
			s := feedtest.New(t, Source(), map[string][]byte{"production": []byte(file), "scanner": []byte(`{"b":` + minimal("b", good) + `}`)})
			o, err := s.Update(t)
			if err != nil || o.Added != 2 || o.Rejected != 1 || len(o.Rejections) != 1 || !strings.Contains(o.Rejections[0].Error(), "00-bad") {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
}

// TestKey: the key is sent as a bearer token and is in no error.
func TestKey(t *testing.T) {
	s := feedtest.New(t, Source(), map[string][]byte{})
	_, err := s.Update(t)
	if err == nil || strings.Contains(err.Error(), feedtest.Key) || strings.Contains(err.Error(), "401") {
		t.Errorf("error %v, want a missing file", err)
	}
}

func TestConvert(t *testing.T) {
	for _, tt := range []struct{ name, software, want string }{
		{"all versions", `{"type":"plugin","slug":"A","affected_versions":{"*":` + span("*", true, "*", true) + `}}`, "plugin/a [{0   }]"},
		{"exclusive end", `{"type":"theme","slug":"a","affected_versions":{"*":` + span("1.0", true, "2.0", false) + `}}`, "theme/a [{1.0   } { 2.0  }]"},
		{"inclusive end with a fix", `{"type":"core","slug":"wordpress","affected_versions":{"*":` + span("5.8", true, "5.8.2", true) + `},"patched":true,"patched_versions":["5.7.5","5.8.3","5.9"]}`, "core [{5.8   } { 5.8.3  }]"},
		{"inclusive end without", `{"type":"plugin","slug":"a","affected_versions":{"*":` + span("*", true, "1", true) + `},"patched":false,"patched_versions":["2"]}`, "plugin/a [{0   } {  1 }]"},
		{"an end without an order", `{"type":"plugin","slug":"a","affected_versions":{"*":` + span("*", true, "1-final", true) + `},"patched":true,"patched_versions":["2"]}`, "plugin/a [{0   } {  1-final }]"},
		{"sorted", `{"type":"plugin","slug":"a","affected_versions":{"a":` + span("10", true, "11", true) + `,"b":` + span("9", true, "9.5", true) + `}}`, "plugin/a [{9   } {  9.5 }] [{10   } {  11 }]"},
		{"WordPress MU", `{"type":"core","slug":"wpmu","affected_versions":{"*":` + span("*", true, "1", true) + `}}`, ""},
		{"no slug", `{"type":"plugin","slug":"","affected_versions":{"*":` + span("*", true, "1", true) + `}}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := convert(whole.Value{Name: "x", JSON: json.RawMessage(minimal("x", tt.software))})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range a.Affected {
				got = append(got, e.Package.Name)
				for _, r := range e.Ranges {
					got = append(got, fmt.Sprint(r.Events))
				}
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"b":` + minimal("b", `{"type":"plugin","slug":"a","affected_versions":{"x":`+span("*", true, "1", true)+`}}`) + `}`))
	f.Add([]byte(`{"b":{"id":"b","software":null,"cvss":null,"references":null}}`))
	f.Add([]byte(`[1,2`))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := t.TempDir() + "/f"
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		for r, err := range records([]string{path, path}) {
			if err == nil && (!strings.HasPrefix(r.ID, Prefix) || slices.Contains(r.Fixes, store.Fix{})) {
				t.Errorf("%+v", r)
			}
		}
	})
}
