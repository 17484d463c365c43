package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"testing"
	"time"

	"assay/service/store"
)

func TestCPUTime(t *testing.T) {
	stat := "7 (a) b (c)) S 1 7 7 0 -1 4194560 500 0 0 0 12 3 40 5 20 0 9 0 100"
	if got, err := cpuTime([]byte(stat)); err != nil || got != 600*time.Millisecond {
		t.Errorf("got %v, %v, want 600ms", got, err)
	}
	if got, err := cpuTime([]byte("7 (a) S 1 7")); err == nil {
		t.Errorf("a truncated line: got %v, want an error", got)
	}
}

func TestNextKill(t *testing.T) {
	for _, c := range []struct {
		ran          time.Duration
		copied, left int64
		kills        int
		want         time.Duration
	}{
		{2 * time.Second, 0, 1000, 4, 4 * time.Second},     // no scan yet: try longer
		{4 * time.Second, 100, 1000, 3, 10 * time.Second},  // 40 s are left, for 4 tries
		{4 * time.Second, 1000, 100, 3, time.Second},       // not in a busy loop
		{4 * time.Second, 1000, 9000, 0, 36 * time.Second}, // none is left
	} {
		if got := nextKill(c.ran, c.copied, c.left, c.kills); got != c.want {
			t.Errorf("after %v with %d scans, %d left: got %v, want %v", c.ran, c.copied, c.left, got, c.want)
		}
	}
}

func TestBody(t *testing.T) {
	packed, err := pack([]byte(`{"components":[{"name":"a"}]`))
	if err != nil {
		t.Fatal(err)
	}
	type document struct {
		Components []struct{ Name string }
		Metadata   struct {
			Properties []struct{ Name, Value string }
		}
	}
	read := func(n int64) (d document) {
		t.Helper()
		z, err := gzip.NewReader(bytes.NewReader(body(packed).of(n)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err == nil {
			err = json.Unmarshal(text, &d)
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return d
	}
	one, two := read(1), read(2)
	if len(one.Components) != 1 || one.Components[0].Name != "a" {
		t.Errorf("components %v, want only a", one.Components)
	}
	p, q := one.Metadata.Properties, two.Metadata.Properties
	if len(p) != 3 || len(q) != 3 || p[0].Value != "project1" || q[0].Value != "project2" || p[2] == q[2] {
		t.Errorf("properties %v and %v, want two projects and commits", p, q)
	}
}

func TestVariant(t *testing.T) {
	from := store.Scan{ID: "original", Request: []byte(`{"a":1}`), Verdict: []byte(`{"scan":"original","report":"/original/report"}`)}
	projects, refs, requests := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range 20_000 {
		s, err := variant(from, i)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(s.Verdict, []byte("original")) || !bytes.Contains(s.Verdict, []byte(s.ID)) {
			t.Fatalf("the verdict of scan %q is %s", s.ID, s.Verdict)
		}
		if !json.Valid(s.Request) {
			t.Fatalf("invalid request: %s", s.Request)
		}
		projects[s.Project], refs[s.Ref], requests[string(s.Request)] = true, true, true
	}
	if len(projects) != 500 || len(refs) != 5 || len(requests) != 10_000 {
		t.Errorf("%d projects, %d refs and %d documents, want 500, 5 and 10,000", len(projects), len(refs), len(requests))
	}
}
