package scan_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"assay/service/policy/ruleset"
	"assay/service/scan"
	"assay/service/store"
	"assay/verdict"
)

// keptScans are scans by id; passed is the newest that passed.
type keptScans struct {
	scans  map[string]store.Scan
	passed string
	err    error
	reads  int
}

func (k *keptScans) PassedScan(ctx context.Context, _, _ string, _ time.Time) (store.Scan, store.Sizes, error) {
	return k.FindScan(ctx, k.passed)
}

func (k *keptScans) FindScan(_ context.Context, id string) (store.Scan, store.Sizes, error) {
	s, ok := k.scans[id]
	if !ok {
		return s, store.Sizes{}, store.ErrNotFound
	}
	return s, store.Sizes{Request: int64(len(s.Request))}, k.err
}

func (k *keptScans) Scan(_ context.Context, id string) (store.Scan, error) {
	k.reads++
	return k.scans[id], nil
}

func TestReferences(t *testing.T) {
	p, err := ruleset.Parse([]byte("all: {ratchet: {against: main, grace: 14d}}"))
	if err != nil {
		t.Fatal(err)
	}
	rules := p.For("shop", "")
	k := &keptScans{scans: map[string]store.Scan{
		"good": {ID: "good", At: now, Request: []byte(`{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"a","version":"1.0.0","purl":"pkg:npm/a@1.0.0"}]}`)},
		"bad":  {ID: "bad", At: now, Request: []byte(`{`)},
	}}
	r := &scan.References{Store: k}
	ratchet := func(project string) *verdict.Ratchet {
		t.Helper()
		got, err := r.Ratchet(t.Context(), rules, project, now, nil)
		if err != nil {
			t.Fatal(err)
		}
		if (got.Components == nil) != (got.Scan == "") {
			t.Errorf("components of %+v", got.Ratchet)
		}
		return &got.Ratchet
	}
	for _, tt := range []struct{ passed, project, scan, missing string }{
		{"", "shop", "", "no stored scan of main has passed"},
		{"good", "", "", "names no project"},
		{"good", "shop", "good", ""},
		{"good", "shop", "good", ""},
		{"bad", "shop", "", "cannot be read"},
	} {
		k.passed = tt.passed
		if got := ratchet(tt.project); got.Scan != tt.scan || !strings.Contains(got.Missing, tt.missing) || got.Against != "main" {
			t.Errorf("%+v: %+v", tt, got)
		}
	}
	if k.reads != 2 {
		t.Errorf("%d reads", k.reads)
	}
	if got, err := r.Ratchet(t.Context(), rules, "shop", now, func(store.Sizes) error { return errors.New("busy") }); err == nil {
		t.Errorf("no room: %+v", got)
	}
	k.err = store.ErrUnavailable
	if _, err := r.Ratchet(t.Context(), rules, "shop", now, nil); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("unavailable: %v", err)
	}
	k.err = nil
	var before verdict.Verdict
	if err := json.Unmarshal([]byte(`{"ratchet":{"against":"main","grace":"14d","scan":"good"}}`), &before); err != nil {
		t.Fatal(err)
	}
	if got, err := r.RatchetOf(t.Context(), rules, before); err != nil || got.Scan != "good" {
		t.Errorf("as of: %+v, %v", got, err)
	}
	before.Ratchet.Scan = "gone"
	if _, err := r.RatchetOf(t.Context(), rules, before); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("as of a removed one: %v", err)
	}
	if got, err := r.Ratchet(t.Context(), p.ForInherited("shop", ""), "shop", now, nil); err != nil || got.Scan != "" || got.Missing != "a variable names the project" {
		t.Errorf("a project of a variable: %+v, %v", got, err)
	}
	if got, err := r.Ratchet(t.Context(), nil, "shop", now, nil); got != nil || err != nil {
		t.Errorf("without a policy: %+v, %v", got, err)
	}
}
