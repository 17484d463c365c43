package api_test

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/remote/token"
	"assay/service/httpserver"
	"assay/service/report/formats"
	"assay/service/store"
)

// allFormats asks for every format.
func allFormats() string { return url.Values{"report": formats.Names()}.Encode() }

// Reports come with the verdict. They are the bytes of GET /report, and nothing of them is
// stored.
func TestReportsWithTheVerdict(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token(store.Token{Name: "ci", Expires: now.Add(time.Hour)})
	_, plain := r.do("POST", "/api/v1/scans?keep=false", secret, document(t))
	for range 2 { // the second answer is the stored scan
		resp, body := r.do("POST", "/api/v1/scans?"+allFormats(), secret, document(t), "Idempotency-Key", "k")
		v := decodeVerdict(t, body)
		if resp.StatusCode != http.StatusOK || !strings.Contains(body, `,"warnings":[`) || !strings.Contains(body, `],"reports":{"text":"`) {
			t.Fatalf("%s: %s", resp.Status, body)
		}
		if got, want := slices.Sorted(maps.Keys(v.Reports)), slices.Sorted(slices.Values(formats.Names())); !slices.Equal(got, want) {
			t.Errorf("reports %q, want %q", got, want)
		}
		for name, text := range v.Reports {
			if _, got := r.do("GET", "/api/v1/scans/"+v.Scan+"/report?format="+name, secret, nil); got != text {
				t.Errorf("GET the report %q: %.200q, want %.200q", name, got, text)
			}
		}
		if _, stored := r.do("GET", "/api/v1/scans/"+v.Scan, secret, nil); strings.Contains(stored, `"reports"`) {
			t.Errorf("stored: %s", stored)
		}
	}
	if strings.Contains(plain, `"reports"`) {
		t.Errorf("not asked for: %s", plain)
	}
}

// A scan that is not kept has reports too, and so has that of a token that may read nothing.
func TestReportsWithoutReading(t *testing.T) {
	r := newRig(t, nil)
	parent := store.Token{ID: "parent", Name: "rule", Scopes: []string{httpserver.ScopeScan}, Created: now}
	if err := r.store.CreateToken(t.Context(), parent, [32]byte{1}, store.Event{}); err != nil {
		t.Fatal(err)
	}
	secret, err := token.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.store.DeriveToken(t.Context(), parent.ID, token.Hash(secret), nil, now, now.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, keep := range []string{"true", "false"} {
		_, body := r.do("POST", "/api/v1/scans?keep="+keep+"&"+allFormats(), secret, document(t))
		v := decodeVerdict(t, body)
		if len(v.Reports) != len(formats.Names()) {
			t.Errorf("keep=%s: %s", keep, body)
		}
		if resp, _ := r.do("GET", "/api/v1/scans/"+v.Scan+"/report", secret, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("a derived token reads: %s", resp.Status)
		}
	}
}

// A format that the service does not have changes nothing about the verdict.
func TestUnknownReport(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token(store.Token{Name: "ci"})
	resp, body := r.do("POST", "/api/v1/scans?report=later&report=text&report=text", secret, document(t))
	v := decodeVerdict(t, body)
	if resp.StatusCode != http.StatusOK || v.Decision.Code != 4 || len(v.Reports) != 1 || v.Reports["text"] == "" {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	if len(v.Warnings) != 1 || v.Warnings[0].Text != `the report "later" is missing: the service does not have this format` || !strings.Contains(v.Warnings[0].Hint, "text, json") {
		t.Errorf("%+v", v.Warnings)
	}
	var many []string
	for i := range 33 {
		many = append(many, fmt.Sprintf("report=f%d", i))
	}
	if resp, _ := r.do("POST", "/api/v1/scans?"+strings.Join(many, "&"), secret, document(t)); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("33 reports: %s", resp.Status)
	}
}

// With memory for the verdict and not for the reports, the verdict comes without them.
func TestNoMemoryForReports(t *testing.T) {
	seen := map[string]int{}
	for size := int64(300 << 10); size < 500<<10; size += 6 << 10 {
		r := newRig(t, func(c *config) { c.Server.Memory = httpserver.NewMemory(size) })
		resp, body := r.do("POST", "/api/v1/scans?report=text", r.token(store.Token{Name: "ci"}), document(t))
		if resp.StatusCode == http.StatusRequestEntityTooLarge {
			seen["nothing"]++
			continue
		}
		v := decodeVerdict(t, body)
		if resp.StatusCode != http.StatusOK || v.Decision.Code != 4 || len(v.Warnings)+len(v.Reports) != 1 {
			t.Fatalf("%s: %s", resp.Status, body)
		}
		if len(v.Reports) == 1 {
			seen["reports"]++
		} else {
			seen["warning"]++
		}
	}
	if len(seen) != 3 {
		t.Errorf("%v", seen)
	}
}
