package api_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/service/api"
	"assay/service/image"
	"assay/service/layer"
	"assay/service/layer/source"
	"assay/service/store"
	"assay/verdict"
)

// imagesRig is a rig that reads images with inspect, from registries at the addresses that are
// allowed.
func imagesRig(t *testing.T, inspect func(layer.Image) (layer.Result, error), allowed ...string) (*rig, *image.Scanner) {
	t.Helper()
	n, err := source.ParseNetwork(allowed)
	if err != nil {
		t.Fatal(err)
	}
	s := &image.Scanner{Dir: filepath.Join(t.TempDir(), "images"), Limits: layer.DefaultLimits(), Client: "assayd 1",
		Inspect: func(_ context.Context, _ string, img layer.Image, _ layer.Limits) (layer.Result, error) {
			return inspect(img)
		}}
	r := newRig(t, func(c *config) {
		c.Images = &api.Images{Scanner: s, Fetcher: &source.Fetcher{Network: n}, MaxUpload: 1 << 20}
	})
	return r, s
}

// glibc is the result for an image with a vulnerable glibc in its first layer.
func glibc(img layer.Image) (layer.Result, error) {
	r := layer.Result{Inventory: inventory.Inventory{
		System: inventory.System{ID: "debian", VersionID: "12"},
		Packages: []inventory.Package{{
			Type: "deb", Name: "libc6", Version: "2.36-9", Arch: "amd64", Source: "glibc", SourceVersion: "2.36-9",
			Evidence: []inventory.Evidence{{Path: "var/lib/dpkg/status", Kind: "dpkg"}},
		}},
	}}
	for _, l := range img.Layers {
		r.Layers = append(r.Layers, layer.Layer{Digest: l.Digest, DiffID: l.DiffID, CreatedBy: l.CreatedBy})
		body, err := l.Open(context.Background())
		if err != nil {
			return r, err
		}
		text, err := io.ReadAll(body)
		body.Close()
		if err != nil {
			return r, err
		}
		if string(text) == "damaged" {
			return r, &layer.Error{Layer: 0, Err: errors.New("not a tar archive")}
		}
	}
	r.Inventory.Packages[0].Layer = r.Layers[0].DiffID
	return r, nil
}

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

// savedImage is an archive of docker save with one layer.
func savedImage(t *testing.T, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range [][2]string{
		{"manifest.json", `[{"Config":"c.json","RepoTags":["shop:1"],"Layers":["l.tar"]}]`},
		{"c.json", `{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":["sha256:` + zeros + `"]},"history":[{"created_by":"/bin/sh -c apt-get install libc6"}]}`},
		{"l.tar", content},
	} {
		if err := w.WriteHeader(&tar.Header{Name: f[0], Size: int64(len(f[1])), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestImageArchive(t *testing.T) {
	r, s := imagesRig(t, glibc)
	secret := r.token(store.Token{Name: "ci", Project: "web"})
	resp, body := r.do("POST", "/api/v1/images?fail-on=low&ref=main", secret, savedImage(t, "x"), "Content-Type", "application/x-tar")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	v := decodeVerdict(t, body)
	want := verdict.Image{Name: "shop:1", Platform: "linux/amd64", Layers: []verdict.ImageLayer{{DiffID: "sha256:" + zeros, CreatedBy: "RUN apt-get install libc6"}}}
	if v.Decision.Code != 4 || v.Image == nil || len(v.Image.Layers) != 1 || v.Image.Layers[0] != want.Layers[0] || v.Image.Name != want.Name || v.Image.Platform != want.Platform {
		t.Errorf("%s", body)
	}
	if o := v.Options; o.Project != "web" || o.Ref != "main" || o.FailOn != verdict.Low {
		t.Errorf("options %+v", o)
	}
	if f := v.Findings; len(f) != 1 || f[0].Layer != want.Layers[0].DiffID {
		t.Errorf("findings %+v", f)
	}
	if _, again := r.do("GET", "/api/v1/scans/"+v.Scan, secret, nil); again != body {
		t.Errorf("the stored verdict differs:\n%s\n%s", again, body)
	}
	if resp, text := r.do("GET", "/api/v1/scans/"+v.Scan+"/report?format=cyclonedx", secret, nil); resp.StatusCode != 200 || !strings.Contains(text, "libc6") {
		t.Errorf("report: %s %s", resp.Status, text)
	}
	if left, err := os.ReadDir(s.Dir); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	// One that is not kept, with a report.
	_, body = r.do("POST", "/api/v1/images?keep=false&report=csv", secret, savedImage(t, "x"), "Content-Type", "application/x-tar")
	if v := decodeVerdict(t, body); v.Scan != "" || v.Report != "" || !strings.Contains(v.Reports["csv"], "CVE-2023-4911") {
		t.Errorf("%s", body)
	}
}

// TestImageProblems: an image that is not evaluated is a problem with a hint, never a verdict.
func TestImageProblems(t *testing.T) {
	r, _ := imagesRig(t, glibc)
	web := r.token(store.Token{Name: "web", Project: "web"})
	reader := r.token(store.Token{Name: "reader", Scopes: []string{"read"}})
	good := savedImage(t, "x")
	const asTar, asJSON = "application/x-tar", "application/json"
	for _, tt := range []struct {
		name, path, secret, media string
		body                      []byte
		status                    int
		says                      string
	}{
		{"no token", "", "", asTar, good, 401, "no token"},
		{"scope", "", reader, asTar, good, 403, "scope scan"},
		{"type", "", web, "text/plain", good, 415, "unsupported content type"},
		{"no type", "", web, "", good, 415, "unsupported content type"},
		{"option", "?failon=high", web, asTar, good, 400, "unknown option"},
		{"value", "?fail-on=bad", web, asTar, good, 400, "invalid value"},
		{"project", "?project=other", web, asTar, good, 403, "for project"},
		{"keep", "?keep=maybe", web, asTar, good, 400, "invalid value"},
		{"choice", "?image=other", web, asTar, good, 404, "name one of them"},
		{"platform", "?platform=linux/arm64", web, asTar, good, 404, "not for linux/arm64"},
		{"no archive", "", web, asTar, []byte("hello"), 422, ""},
		{"empty", "", web, asTar, nil, 422, "not an archive"},
		{"large", "", web, asTar, make([]byte, 1<<20+1), 413, "larger than 1 MiB"},
		{"damaged layer", "", web, asTar, savedImage(t, "damaged"), 422, "not a tar archive"},
		{"JSON", "", web, asJSON, []byte(`{`), 400, "invalid request"},
		{"two", "", web, asJSON, []byte(`{"image":"a"}{}`), 400, "more than one"},
		{"field", "", web, asJSON, []byte(`{"imag":"a"}`), 400, "unknown field"},
		{"no name", "", web, asJSON, []byte(`{}`), 400, "names no image"},
		{"JSON option", "", web, asJSON, []byte(`{"image":"a","options":{"x":"y"}}`), 400, "unknown option"},
		{"JSON project", "", web, asJSON, []byte(`{"image":"a","options":{"project":"y"}}`), 403, "for project"},
		{"JSON file", "", web, asJSON, []byte(`{"image":"a","files":[{"kind":"x"}]}`), 400, "unknown kind"},
		{"name", "", web, asJSON, []byte(`{"image":"A B"}`), 400, "invalid image name"},
		{"loopback", "", web, asJSON, []byte(`{"image":"127.0.0.1:1/a"}`), 403, "not a public address"},
		{"metadata", "", web, asJSON, []byte(`{"image":"169.254.169.254/a"}`), 403, "not a public address"},
	} {
		header := []string{"Content-Type", tt.media}
		resp, body := r.do("POST", "/api/v1/images"+tt.path, tt.secret, tt.body, header...)
		var p struct{ Error, Hint string }
		if err := json.Unmarshal([]byte(body), &p); err != nil || resp.StatusCode != tt.status || !strings.Contains(p.Error+p.Hint, tt.says) || p.Error == "" || strings.Contains(p.Error, "archive.tar") {
			t.Errorf("%s: %s %s, want %d %q", tt.name, resp.Status, body, tt.status, tt.says)
		}
	}
}

// TestSlowArchive: an archive that does not arrive in time loses its place to others.
func TestSlowArchive(t *testing.T) {
	r, s := imagesRig(t, glibc)
	s.Timeout = 100 * time.Millisecond
	c, err := net.Dial("tcp", r.srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "POST /api/v1/images HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/x-tar\r\nContent-Length: 1000\r\n\r\nx", r.token(store.Token{Name: "slow"})); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(25 * time.Second)); err != nil { // less than the start of an upload
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusRequestTimeout || err != nil || !strings.Contains(string(body), "truncated after 1 bytes") {
		t.Errorf("%s %s %v", resp.Status, body, err)
	}
	if left, err := os.ReadDir(s.Dir); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestImageCredentials: the credentials of a request are sent to the registry, and are not in
// the log.
func TestImageCredentials(t *testing.T) {
	seen := ""
	registry := newRegistry(t, func(r *http.Request) bool {
		user, password, _ := r.BasicAuth()
		seen = user + ":" + password
		return seen == "ci:hunter2hunter2"
	})
	u, err := url.Parse(registry.URL)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := imagesRig(t, glibc, "127.0.0.1")
	secret := r.token(store.Token{Name: "ci"})
	request := []byte(`{"image":"` + u.Host + `/shop:1","options":{"project":"p","fail-on":"critical"},"files":[{"kind":"ignore","name":".trivyignore","body":"Q1ZFLTIwMjMtNDkxMQo="}]}`)
	for header, status := range map[string]int{
		// {"username":"ci","password":"hunter2hunter2"}
		"eyJ1c2VybmFtZSI6ImNpIiwicGFzc3dvcmQiOiJodW50ZXIyaHVudGVyMiJ9": 200,
		// {"username":"ci","password":"wrong"}
		"eyJ1c2VybmFtZSI6ImNpIiwicGFzc3dvcmQiOiJ3cm9uZyJ9": 424,
		"": 424,
	} {
		resp, body := r.do("POST", "/api/v1/images", secret, request, "Content-Type", "application/json", "X-Registry-Auth", header)
		if resp.StatusCode != status || strings.Contains(body, "hunter2") {
			t.Errorf("%q: %s %s", header, resp.Status, body)
		}
		if status == 200 {
			v := decodeVerdict(t, body)
			if v.Image == nil || v.Image.Digest == "" || v.Image.Name != u.Host+"/shop:1" || v.Options.Project != "p" || len(v.Exceptions) != 1 || v.Decision.Code != 0 {
				t.Errorf("%s", body)
			}
		}
	}
	if log := r.log.String(); strings.Contains(log, "hunter2") || strings.Contains(log, "eyJ1c2Vy") {
		t.Errorf("the log has the credentials:\n%s", log)
	}
}
