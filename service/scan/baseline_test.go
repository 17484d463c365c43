package scan_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/remote/cyclonedx"
	"assay/service/policy"
	"assay/service/scan"
	"assay/service/store"
	"assay/verdict"
)

const spdxDocument = `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","packages":[{"name":"six","SPDXID":"SPDXRef-six","versionInfo":"1.16.0",
	"externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:pypi/six@1.16.0"}]}]}`

var namesGood = []cyclonedx.File{{Kind: cyclonedx.FileBaselineScan, Name: "good"}}

// A stored scan is a baseline if the sender may read it. What cannot be read is never ignored.
func TestStoredBaseline(t *testing.T) {
	k := &keptScans{scans: map[string]store.Scan{
		"good": {ID: "good", At: now, Request: []byte(`{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"a","version":"1.0.0","purl":"pkg:npm/a@1.0.0"}]}`)},
		"bad":  {ID: "bad", At: now, Request: []byte(`{`)},
		"spdx": {ID: "spdx", At: now, Request: []byte(spdxDocument)},
	}}
	r := &scan.References{Store: k}
	all := func(store.Scan) bool { return true }
	none := func(store.Scan) bool { return false }
	named := func(ids ...string) (files []cyclonedx.File) {
		for _, id := range ids {
			files = append(files, cyclonedx.File{Kind: cyclonedx.FileBaselineScan, Name: id})
		}
		return files
	}
	for _, tt := range []struct {
		name  string
		files []cyclonedx.File
		may   func(store.Scan) bool
		err   string
	}{
		{"good", named("good"), all, ""},
		{"SPDX", named("spdx"), all, ""},
		{"of another token", named("good"), none, "there is no such scan, or this token may not read it"},
		{"unknown", named("nosuch"), all, "there is no such scan, or this token may not read it"},
		{"damaged", named("bad"), all, "the stored scan cannot be read"},
	} {
		b, err := r.Baseline(t.Context(), tt.files, tt.may, nil)
		if err != nil || b == nil || b.Error != tt.err || (b.Components == nil) != (tt.err != "") {
			t.Errorf("%s: %+v, %v", tt.name, b, err)
		}
	}
	if k.reads != 3 { // not of what the sender may not read
		t.Errorf("%d reads", k.reads)
	}
	for _, files := range [][]cyclonedx.File{nil, named("good", "good"), {{Kind: cyclonedx.FileBaseline}}, {{Kind: cyclonedx.FileVEX}}} {
		if b, err := r.Baseline(t.Context(), files, all, nil); b != nil || err != nil {
			t.Errorf("%+v: %+v, %v", files, b, err)
		}
	}
	busy := errors.New("busy")
	if _, err := (&scan.References{Store: k}).Baseline(t.Context(), namesGood, all, func(store.Sizes) error { return busy }); !errors.Is(err, busy) {
		t.Errorf("no room: %v", err)
	}
	k.err = store.ErrUnavailable
	if _, err := r.Baseline(t.Context(), namesGood, all, nil); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("unavailable: %v", err)
	}
}

// A replay uses the scan that was named, and refuses what was refused.
func TestBaselineOf(t *testing.T) {
	k := &keptScans{scans: map[string]store.Scan{"good": {ID: "good", Request: []byte(`{"bomFormat":"CycloneDX","specVersion":"1.5"}`)}}}
	r := &scan.References{Store: k}
	before := verdict.Verdict{Baseline: &verdict.Baseline{Scan: "good"}}
	if b, ok, err := r.BaselineOf(t.Context(), namesGood, before); err != nil || !ok || b.Error != "" || b.Components == nil {
		t.Errorf("%+v, %t, %v", b, ok, err)
	}
	before.Baseline.Error = "refused"
	if b, ok, err := r.BaselineOf(t.Context(), namesGood, before); err != nil || !ok || b.Error != "refused" || b.Components != nil {
		t.Errorf("refused: %+v, %t, %v", b, ok, err)
	}
	before.Baseline.Error = ""
	delete(k.scans, "good")
	if b, ok, err := r.BaselineOf(t.Context(), namesGood, before); err != nil || ok || b.Error == "" {
		t.Errorf("removed: %+v, %t, %v", b, ok, err)
	}
	if b, ok, err := r.BaselineOf(t.Context(), nil, verdict.Verdict{}); b != nil || !ok || err != nil {
		t.Errorf("none: %+v, %t, %v", b, ok, err)
	}
}

// The image is a Debian 12 with servers, and the baseline the minbase that it is made of. What
// dpkg-query lists in both, with the same version, is of the base image.
func TestBaselineOfDebian(t *testing.T) {
	folder := func(name string) string { return testkit.Path(t, "pkgdb", "dpkg", name) }
	installed := func(name string) map[string]bool {
		var list []struct{ Name, Version, Arch string }
		b, err := os.ReadFile(filepath.Join(folder(name), "expected.json"))
		if err == nil {
			err = json.Unmarshal(b, &list)
		}
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]bool{}
		for _, p := range list {
			all[p.Name+" "+p.Version+" "+p.Arch] = true
		}
		return all
	}
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(filepath.Join(folder("debian12-minbase")))); err != nil {
		t.Fatal(err)
	}
	base := look(t, root)
	packed, err := os.Open(filepath.Join(folder("debian12-app"), "var/lib/dpkg/status.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	status, err := io.ReadAll(unpacked)
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), status, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	image := look(t, root)
	var records []string // each package has one vulnerability
	sources := map[string]bool{}
	for _, p := range image.Packages {
		if name := cmp.Or(p.Source, p.Name); !sources[name] {
			sources[name] = true
			records = append(records, fmt.Sprintf(`{"id":"DEBIAN-CVE-2024-%d","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":%q},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"999:1"}]}]}]}`, 1000+len(records), name))
		}
	}
	var body bytes.Buffer
	if err := cyclonedx.Encode(&body, cyclonedx.Scan{Inventory: base}); err != nil {
		t.Fatal(err)
	}
	s := cyclonedx.Scan{Inventory: image, Files: []cyclonedx.File{{Kind: cyclonedx.FileBaseline, Name: "base.json", Body: body.Bytes()}},
		Options: []cyclonedx.Option{{Name: "fail-on-base", Value: "none", Origin: "flag"}, {Name: "kernel", Value: "true", Origin: "flag"}}}
	v, err := answer(s, memory(t, records...), verdict.Data{Records: len(records), Updated: now}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Check(); err != nil {
		t.Error(err)
	}
	inBase, inImage := installed("debian12-minbase"), installed("debian12-app")
	found := map[string]string{}
	for _, f := range v.Findings {
		key := f.Package.Name + " " + f.Package.Version + " " + f.Package.Arch
		found[key] = f.Origin
		if f.Fails != (f.Origin == verdict.OriginOwn) {
			t.Errorf("%s of %s: fails %t", key, f.Origin, f.Fails)
		}
	}
	both := 0
	for p := range inImage {
		want := verdict.OriginOwn
		if inBase[p] {
			want = verdict.OriginBase
			both++
		}
		if found[p] != want {
			t.Errorf("%s: %q, want %q", p, found[p], want)
		}
	}
	if both < 50 || both == len(inImage) || v.Baseline.Base < both || v.Baseline.Packages != len(inBase) {
		t.Errorf("%d of %d packages in both; %+v", both, len(inImage), v.Baseline)
	}

	// Without the baseline, and with that of the image itself.
	s.Files = nil
	if v, err := answer(s, memory(t, records...), verdict.Data{Records: len(records), Updated: now}, now); err != nil || v.Baseline != nil || v.Findings[0].Origin != "" ||
		!strings.Contains(strings.Join(v.Notices, " "), "--fail-on-base changes nothing") {
		t.Errorf("without: %+v, %v", v.Notices, err)
	}
}

// Only the stored scan that a document names counts, and each answer counts for itself.
func TestEvaluatorBaseline(t *testing.T) {
	k := &keptScans{scans: map[string]store.Scan{"good": {ID: "good", Request: []byte(`{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"six","purl":"pkg:pypi/six@1.16.0"}]}`)}}}
	b, err := (&scan.References{Store: k}).Baseline(t.Context(), namesGood, func(store.Scan) bool { return true }, nil)
	if err != nil {
		t.Fatal(err)
	}
	record := `{"id":"PYSEC-2024-1","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"PyPI","name":"six"},"versions":["1.16.0"]}]}`
	doc := `{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"six","purl":"pkg:pypi/six@1.16.0"}]}`
	s, err := cyclonedx.Decode(strings.NewReader(doc), cyclonedx.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	other := []cyclonedx.File{{Kind: cyclonedx.FileBaselineScan, Name: "other"}}
	spdx := []cyclonedx.File{{Kind: cyclonedx.FileBaseline, Name: "base.spdx.json", Body: []byte(spdxDocument)}}
	for _, tt := range []struct {
		files    []cyclonedx.File
		baseline *policy.Baseline
		origin   string
	}{{namesGood, b, verdict.OriginBase}, {namesGood, b, verdict.OriginBase}, {spdx, nil, verdict.OriginBase}, {namesGood, nil, ""}, {other, b, ""}, {append(namesGood, other...), b, ""}, {nil, b, ""}} {
		s.Files = tt.files
		a, err := scan.Evaluator{Baseline: tt.baseline}.Answer(s, memory(t, record), nil, verdict.Data{Records: 1, Updated: now}, now)
		if err != nil {
			t.Fatal(err)
		}
		v := a.Whole()
		if v.Findings[0].Origin != tt.origin || tt.files != nil && tt.origin == "" && v.Decision.Code != verdict.CodeUntrusted || tt.origin != "" && v.Baseline.Base != 1 {
			t.Errorf("%+v: origin %q, %+v", tt.files, v.Findings[0].Origin, v.Baseline)
		}
		var read verdict.Verdict
		if text, err := a.AppendJSON(nil); err != nil || json.Unmarshal(text, &read) != nil || read.Findings[0].Origin != tt.origin {
			t.Errorf("JSON: %v, %+v", err, read.Findings)
		}
	}
}
