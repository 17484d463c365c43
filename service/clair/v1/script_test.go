package v1

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"context"

	"assay/service/httpserver"
	"assay/service/image"
	layers "assay/service/layer"
	"assay/service/layer/source"
)

// offer makes an image available under a name.
func (r *rig) offer(name string, digest byte, packages string) {
	r.t.Helper()
	content := archive(r.t, "packages", packages)
	blob := layers.Blob{Digest: "sha256:" + strings.Repeat("1", 64), Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(string(content))), nil
	}}
	r.source.mu.Lock()
	defer r.source.mu.Unlock()
	if r.source.images == nil {
		r.source.images = map[string]layers.Image{}
	}
	r.source.images[name] = layers.Image{Digest: "sha256:" + strings.Repeat(string(digest), 64), Layers: []layers.Blob{blob, blob}}
}

// ids returns the ids of the layers of an image.
func (r *rig) ids(secret, name string) []string {
	r.t.Helper()
	var list []map[string]string
	text := r.do("GET", "/v1/layers?"+url.Values{"Name": {name}}.Encode(), secret, "", http.StatusOK)
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		r.t.Fatalf("%v in %s", err, text)
	}
	var ids []string
	for _, l := range list {
		ids = append(ids, l["Name"])
	}
	return ids
}

// analyze posts the id of a layer.
func (r *rig) analyze(secret, id string, status int) string {
	r.t.Helper()
	body, err := json.Marshal(map[string]string{"LayerID": id})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.do("POST", "/v1/analyze", secret, string(body), status)
}

// analysis returns the analysis of an image.
func (r *rig) analysis(secret, name string) analysis {
	r.t.Helper()
	var a analysis
	text := r.do("GET", "/v1/analyze/"+name, secret, "", http.StatusOK)
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		r.t.Fatalf("%v in %s", err, text)
	}
	return a
}

func TestScript(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token("shop")
	for _, name := range []string{"debian:12", "127.0.0.1:5000/library/shop:1.2-rc", "registry.example.com/a/b/c", "localhost:5000/x"} {
		before := r.scanner.count()
		r.offer(name, 'a', "libc 1 CVE-2024-1\nzlib 2\n")
		ids := r.ids(secret, name)
		if len(ids) != 2 || ids[0] == ids[1] {
			t.Fatalf("layers of %q: %q", name, ids)
		}
		r.do("GET", "/v1/analyze/"+name, secret, "", http.StatusNotFound) // not started
		for _, id := range ids {
			r.analyze(secret, id, http.StatusOK)
		}
		a := r.analysis(secret, name)
		want := analyzed{Severity: "Medium", Package: "libc", Version: "1", Name: "CVE-2024-1", CVE: "CVE-2024-1", NamespaceName: "debian:12",
			Description: "about CVE-2024-1", Link: "https://security-tracker.debian.org/tracker/CVE-2024-1", FixedBy: "1+fixed"}
		if a.Status != "Finished" || a.Vulnerabilities == nil || fmt.Sprint(*a.Vulnerabilities) != fmt.Sprint([]analyzed{want}) {
			t.Errorf("%q: %+v", name, a)
		}
		if n := r.scanner.count() - before; n != 1 {
			t.Errorf("%q: %d scans", name, n)
		}
	}
	// An image without vulnerabilities has an empty list, and not null.
	r.offer("clean:1", 'c', "libc 1\n")
	r.analyze(secret, r.ids(secret, "clean:1")[1], http.StatusOK)
	if text := r.do("GET", "/v1/analyze/clean:1", secret, "", http.StatusOK); !strings.Contains(text, `"Vulnerabilities":[]`) {
		t.Error(text)
	}
	// It asks as fast as it can.
	again := r.scanner.again.Load()
	for range 600 {
		if a := r.analysis(secret, "clean:1"); a.Status != "Finished" {
			t.Fatalf("%+v", a)
		}
	}
	if n := r.scanner.again.Load() - again; n > 5 {
		t.Errorf("%d evaluations for a client that asks without a pause", n)
	}
	// A new image with the name is evaluated, once its own layers are posted.
	old := r.ids(secret, "clean:1")[0]
	r.offer("clean:1", 'd', "libc 2 CVE-2024-9\n")
	r.analyze(secret, old, http.StatusOK) // finished
	if a := r.analysis(secret, "clean:1"); len(*a.Vulnerabilities) != 0 {
		t.Errorf("the old image: %+v", a)
	}
	r.analyze(secret, r.ids(secret, "clean:1")[0], http.StatusOK)
	if a := r.analysis(secret, "clean:1"); len(*a.Vulnerabilities) != 1 || (*a.Vulnerabilities)[0].Name != "CVE-2024-9" {
		t.Errorf("the new image: %+v", a)
	}
	// Another project has started nothing.
	r.do("GET", "/v1/analyze/clean:1", r.token("other"), "", http.StatusNotFound)
}

func TestScriptErrors(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token("")
	r.do("GET", "/v1/layers", secret, "", http.StatusBadRequest)
	r.do("GET", "/v1/layers?Name=missing:1", secret, "", http.StatusNotFound)
	for kind, status := range map[source.Kind]int{
		source.Malformed: http.StatusBadRequest, source.Refused: http.StatusForbidden, source.Unauthorized: http.StatusFailedDependency,
		source.Unreachable: http.StatusBadGateway, source.Unsupported: http.StatusUnprocessableEntity,
	} {
		r.source.err = &source.Error{Kind: kind, Err: errors.New("a cause"), Hint: "a hint"}
		if got := message(t, r.do("GET", "/v1/layers?Name=x", secret, "", status)); got != "a cause; a hint" {
			t.Error(got)
		}
	}
	r.source.err = nil
	for _, id := range []string{"", "x", "debian:12", "debian:12#sha256:1#0", "#sha256:" + strings.Repeat("a", 64) + "#0-x"} {
		message(t, r.analyze(secret, id, http.StatusNotFound))
	}
	r.do("GET", "/v1/analyze/", secret, "", http.StatusNotFound)

	// An image that cannot be evaluated is an error without a status. Its other layers do not
	// start it again.
	r.offer("bad:1", 'b', "libc 1\n")
	ids := r.ids(secret, "bad:1")
	r.scanner.err = &layers.Error{Layer: 1, Err: errors.New("layer 2 is no archive")}
	r.analyze(secret, ids[0], http.StatusOK)
	if got := message(t, r.do("GET", "/v1/analyze/bad:1", secret, "", http.StatusUnprocessableEntity)); !strings.HasPrefix(got, "layer 2 is no archive; ") {
		t.Error(got)
	}
	r.analyze(secret, ids[1], http.StatusOK)
	if n := r.scanner.count(); n != 1 {
		t.Errorf("%d scans", n)
	}
	r.scanner.err = nil
	r.offer("unknown:1", 'e', "libc ?\n")
	r.analyze(secret, r.ids(secret, "unknown:1")[0], http.StatusOK)
	if got := message(t, r.do("GET", "/v1/analyze/unknown:1", secret, "", http.StatusUnprocessableEntity)); !strings.Contains(got, "there are no advisories for its system") {
		t.Error(got)
	}
}

// A request waits for an evaluation, also for one of another replica, and says that it is
// running when the time is over.
func TestScriptWaits(t *testing.T) {
	hold := make(chan struct{})
	r := newRig(t, func(c *Config) { c.wait = 300 * time.Millisecond })
	r.scanner.hold = hold
	secret := r.token("shop")
	r.offer("slow:1", 'a', "libc 1 CVE-2024-1\n")
	r.analyze(secret, r.ids(secret, "slow:1")[0], http.StatusOK)
	for range 2 {
		if a := r.analysis(secret, "slow:1"); a.Status != "Running" || a.Vulnerabilities != nil {
			t.Errorf("%+v", a)
		}
	}
	c := r.service.Config
	c.wait = 0
	server := httpserver.New(httpserver.Config{Tokens: r.store, Now: time.Now, Log: c.Log})
	second := Handle(server, c)
	defer second.Stop()
	at := httptest.NewServer(server)
	defer at.Close()
	other := &rig{t: t, url: at.URL, store: r.store, source: r.source}
	other.analyze(secret, other.ids(secret, "slow:1")[1], http.StatusOK) // it is running
	time.AfterFunc(200*time.Millisecond, func() { close(hold) })
	if a := other.analysis(secret, "slow:1"); a.Status != "Finished" || len(*a.Vulnerabilities) != 1 {
		t.Errorf("at the other replica: %+v", a)
	}
	if n := r.scanner.count(); n != 1 {
		t.Errorf("%d scans", n)
	}
}

// A service that stops ends its evaluations, and the record says so.
func TestStop(t *testing.T) {
	r := newRig(t, nil)
	r.scanner.hold = make(chan struct{})
	secret := r.token("shop")
	r.offer("slow:1", 'a', "libc 1 CVE-2024-1\n")
	r.analyze(secret, r.ids(secret, "slow:1")[0], http.StatusOK)
	r.service.Stop()
	rec, err := r.service.Records.Get(t.Context(), imageKind, "shop", "slow:1")
	if err != nil || rec.State != image.Failed || !strings.Contains(rec.Cause, "the service stopped") {
		t.Errorf("%+v, %v", rec, err)
	}
}
