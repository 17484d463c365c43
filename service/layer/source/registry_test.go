package source

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"assay/service/layer"
)

func kindOfError(t *testing.T, err error) Kind {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("%v is not an *Error", err)
	}
	return e.Kind
}

func readLayers(t *testing.T, img layer.Image) []string {
	t.Helper()
	var all []string
	for _, l := range img.Layers {
		r, err := l.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, shaOf(b))
	}
	return all
}

func TestRegistry(t *testing.T) {
	m := makeImage(t, "linux/amd64", "a", "b")
	h := newHub(t, m)
	f := newFetcher(t, "127.0.0.1")
	for _, ref := range []string{"/shop:1", "/shop@" + m.manifest, "/shop:other@" + m.manifest} {
		img, err := f.Registry(t.Context(), Request{Reference: h.host() + ref})
		if err != nil {
			t.Fatalf("%s: %v", ref, err)
		}
		if img.Digest != m.manifest || img.Platform != "linux/amd64" || img.Name != h.host()+ref || len(img.Layers) != 2 {
			t.Errorf("%s: %+v", ref, img)
		}
		l := img.Layers[1]
		if l.Digest != m.layers[1] || l.DiffID != m.diffIDs[1] || l.CreatedBy != "RUN make b" {
			t.Errorf("%s: layer %+v", ref, l)
		}
		if got := readLayers(t, img); fmt.Sprint(got) != fmt.Sprint(m.layers) {
			t.Errorf("%s: layers %v, want %v", ref, got, m.layers)
		}
	}
	for _, r := range h.requests() {
		if ua := r.UserAgent(); !strings.HasPrefix(ua, "assayd/test") && r.URL.Path != "/v2/" {
			t.Errorf("%s: User-Agent %q", r.URL.Path, ua)
		}
	}
}

// TestPlatforms: an index gives the image for the platform, never an attestation, and an error
// names what there is.
func TestPlatforms(t *testing.T) {
	amd, arm, v7 := makeImage(t, "linux/amd64", "amd"), makeImage(t, "linux/arm64", "arm"), makeImage(t, "linux/arm/v7", "v7")
	h := newHub(t, amd, arm, v7)
	attestation := amd.descriptor("unknown/unknown")
	attestation["annotations"] = object{"vnd.docker.reference.type": "attestation-manifest"}
	index := func(manifests ...object) string {
		b := encode(t, object{"schemaVersion": 2, "mediaType": typeIndex, "manifests": manifests})
		h.blobs[shaOf(b)] = b
		return shaOf(b)
	}
	h.tags["all"] = index(attestation, v7.descriptor("linux/arm/v7"), arm.descriptor("linux/arm64"), amd.descriptor("linux/amd64"))
	h.tags["arm"] = index(arm.descriptor("linux/arm64/v8"), attestation)
	h.tags["nested"] = index(object{"mediaType": typeIndex, "digest": h.tags["all"], "size": 1})
	h.tags["deep"] = index(object{"mediaType": typeIndex, "digest": index(object{"mediaType": typeIndex, "digest": h.tags["nested"], "size": 1}), "size": 1})
	h.tags["silent"] = index(amd.descriptor(""))
	h.tags["none"] = index(attestation)
	f := newFetcher(t, "127.0.0.1")
	for _, tt := range []struct{ tag, platform, want, fails string }{
		{"all", "", "linux/amd64", ""},
		{"all", "linux/arm64", "linux/arm64", ""},
		{"all", "linux/arm64/v8", "linux/arm64", ""},
		{"all", "linux/arm/v7", "linux/arm/v7", ""},
		{"all", "linux/arm", "linux/arm/v7", ""},
		{"all", "linux/arm/v6", "", "for linux/amd64, linux/arm/v7, linux/arm64"},
		{"all", "linux/s390x", "", "for linux/amd64, linux/arm/v7, linux/arm64"},
		{"arm", "", "", "has no image for linux/amd64, but for linux/arm64/v8"},
		{"nested", "", "linux/amd64", ""},
		{"deep", "", "", "nested"},
		{"silent", "", "linux/amd64", ""},
		{"silent", "linux/arm64", "", "is for linux/amd64, not for linux/arm64"},
		{"none", "", "", "no image for linux/amd64"},
		{"1", "linux/arm64", "", "is for linux/amd64, not for linux/arm64"},
		{"1", "amd64", "", "invalid platform"},
	} {
		img, err := f.Registry(t.Context(), Request{Reference: h.host() + "/shop:" + tt.tag, Platform: tt.platform})
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%s for %q: %v, want %q", tt.tag, tt.platform, err, tt.fails)
			}
		} else if err != nil || img.Platform != tt.want {
			t.Errorf("%s for %q: %q, %v", tt.tag, tt.platform, img.Platform, err)
		}
	}
}

// TestRefusedImages: what cannot be evaluated is an error that says why.
func TestRefusedImages(t *testing.T) {
	good := makeImage(t, "linux/amd64", "a")
	windows := makeImage(t, "windows/amd64", "a")
	h := newHub(t, good, windows)
	f := newFetcher(t, "127.0.0.1")
	tag := func(name, text string) {
		h.blobs[shaOf([]byte(text))] = []byte(text)
		h.tags[name] = shaOf([]byte(text))
	}
	manifest := string(good.blobs[good.manifest])
	tag("schema1", `{"schemaVersion":1,"name":"shop","fsLayers":[{"blobSum":"sha256:`+strings.Repeat("0", 64)+`"}]}`)
	tag("nojson", `<html>`)
	tag("empty", `{}`)
	tag("both", `{"schemaVersion":2,"layers":[],"manifests":[]}`)
	tag("lies", `{"schemaVersion":2,"mediaType":"`+typeIndex+`","layers":[],"config":{}}`)
	tag("helm", strings.Replace(manifest, typeConfig, "application/vnd.cncf.helm.config.v1+json", 1))
	tag("encrypted", strings.Replace(manifest, typeLayer, typeLayer+"+gzip+encrypted", 1))
	tag("intoto", strings.Replace(manifest, typeLayer, "application/vnd.in-toto+json", 1))
	tag("fewer", strings.Replace(manifest, `"layers":[`, `"layers":[{"mediaType":"`+typeLayer+`","size":1,"digest":"`+good.layers[0]+`"},`, 1))
	tag("nodigest", strings.Replace(manifest, good.layers[0], "md5:0", 1))
	tag("large", `{"schemaVersion":2,"x":"`+strings.Repeat("x", maxManifest)+`"}`)
	many := func(n int) string { return strings.Repeat("{},", n-1) + "{}" }
	tag("layers", `{"schemaVersion":2,"config":{},"layers":[`+many(maxValues)+`]}`)
	tag("index", `{"schemaVersion":2,"manifests":[`+many(maxValues)+`]}`)
	history := `{"os":"linux","rootfs":{"type":"layers","diff_ids":[]},"history":[` + many(maxValues) + `]}`
	h.blobs[shaOf([]byte(history))] = []byte(history)
	tag("history", `{"schemaVersion":2,"config":{"digest":"`+shaOf([]byte(history))+`"},"layers":[]}`)
	h.tags["windows"] = windows.manifest
	h.tags["gone"] = "sha256:" + strings.Repeat("1", 64)
	for _, tt := range []struct {
		ref  string
		kind Kind
		says string
	}{
		{"shop:schema1", Unsupported, "schema 1"},
		{"shop:nojson", Invalid, "parse the manifest"},
		{"shop:empty", Invalid, "neither an image nor an index"},
		{"shop:both", Invalid, "another type"},
		{"shop:lies", Invalid, "another type"},
		{"shop:helm", Unsupported, "not a container image"},
		{"shop:encrypted", Unsupported, "layer 1 has the unsupported type"},
		{"shop:intoto", Unsupported, "layer 1 has the unsupported type"},
		{"shop:fewer", Invalid, "has 2 layers, and its configuration describes 1"},
		{"shop:nodigest", Invalid, "parse the manifest"},
		{"shop:large", TooLarge, "larger than 4 MiB"},
		{"shop:layers", TooLarge, "more than 100000 values"},
		{"shop:index", TooLarge, "more than 100000 values"},
		{"shop:history", TooLarge, "more than 100000 values"},
		{"shop:windows", Unsupported, "windows/amd64"},
		{"shop:gone", NotFound, "MANIFEST_UNKNOWN"},
		{"shop:unknown", NotFound, "MANIFEST_UNKNOWN"},
		{"UPPER:1", Malformed, "invalid image name"},
		{"shop@sha256:1", Malformed, "invalid image name"},
	} {
		_, err := f.Registry(t.Context(), Request{Reference: h.host() + "/" + tt.ref})
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", tt.ref, err, tt.says)
			continue
		}
		if got := kindOfError(t, err); got != tt.kind {
			t.Errorf("%s: kind %d, want %d", tt.ref, got, tt.kind)
		}
	}
	// A manifest or a configuration with another digest than asked for.
	h.intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/blobs/") || strings.Contains(r.URL.Path, "sha256:") {
			fmt.Fprint(w, manifest+" ")
			return true
		}
		return false
	}
	for _, ref := range []string{"shop@" + good.manifest, "shop:1"} {
		if _, err := f.Registry(t.Context(), Request{Reference: h.host() + "/" + ref}); err == nil || !strings.Contains(err.Error(), "has the digest") {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

// TestValues: what is in strings does not count.
func TestValues(t *testing.T) {
	for text, want := range map[string]int{
		`{}`: 1, `[1,2,3]`: 3, `{"a":",,,","b":[{},{}]}`: 3, `{"a\",":"\\","b":1}`: 2, `"\`: 1,
	} {
		if got := values([]byte(text)); got != want {
			t.Errorf("%s: %d values, want %d", text, got, want)
		}
	}
}

func TestLoopbackIsRefused(t *testing.T) {
	h := newHub(t, makeImage(t, "linux/amd64", "a"))
	for _, host := range []string{h.host(), strings.Replace(h.host(), "127.0.0.1", "localhost", 1), "169.254.169.254", "[::1]:5000", "10.0.0.1:5000"} {
		_, err := newFetcher(t).Registry(t.Context(), Request{Reference: host + "/shop:1"})
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Kind != Refused || !strings.Contains(e.Hint, "--allow-network ") {
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := len(h.requests()); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}

// TestCredentials: credentials go to the registry and to the token service it names, and to no
// host that either redirects to.
func TestCredentials(t *testing.T) {
	m := makeImage(t, "linux/amd64", "a")
	elsewhere := newHub(t, m)
	elsewhere.intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/storage" {
			w.Write(m.blobs[m.layers[0]])
			return true
		}
		return false
	}
	h := newHub(t, m)
	h.intercept = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.URL.Path == "/token":
			user, password, _ := r.BasicAuth()
			if user != "ci" || password != "secret" || r.URL.Query().Get("scope") != "repository:shop:pull" {
				http.Error(w, "", http.StatusUnauthorized)
				return true
			}
			fmt.Fprint(w, `{"token":"bearer-token"}`)
		case r.Header.Get("Authorization") != "Bearer bearer-token":
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test",scope="repository:shop:pull"`, r.Host))
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
		case strings.HasSuffix(r.URL.Path, "/blobs/"+m.layers[0]):
			http.Redirect(w, r, elsewhere.URL+"/storage", http.StatusTemporaryRedirect)
		default:
			return false
		}
		return true
	}
	f := newFetcher(t, "127.0.0.1")
	img, err := f.Registry(t.Context(), Request{Reference: h.host() + "/shop:1", Credentials: &Credentials{Username: "ci", Password: "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := readLayers(t, img); got[0] != m.layers[0] {
		t.Errorf("layers %v", got)
	}
	seen := elsewhere.requests()
	if len(seen) != 1 {
		t.Fatalf("%d requests to the other host", len(seen))
	}
	for name, values := range seen[0].Header {
		if strings.Contains(fmt.Sprint(values), "bearer") || strings.Contains(fmt.Sprint(values), "secret") || name == "Authorization" {
			t.Errorf("the other host got %s: %v", name, values)
		}
	}
	for _, c := range []*Credentials{nil, {Username: "ci", Password: "wrong"}} {
		_, err := f.Registry(t.Context(), Request{Reference: h.host() + "/shop:1", Credentials: c})
		if err == nil || kindOfError(t, err) != Unauthorized || strings.Contains(err.Error(), "wrong") {
			t.Errorf("%v: %v", c, err)
		}
	}
	// Without credentials of the request, those of the project are used.
	f.Lookup = func(_ context.Context, project, registry string) (*Credentials, error) {
		if project == "shop" && registry == h.host() {
			return &Credentials{Username: "ci", Password: "secret"}, nil
		}
		return nil, nil
	}
	for project, ok := range map[string]bool{"shop": true, "other": false, "": false} {
		if _, err := f.Registry(t.Context(), Request{Reference: h.host() + "/shop:1", Project: project}); (err == nil) != ok {
			t.Errorf("project %q: %v", project, err)
		}
	}
}

// TestTokenServiceIsChecked: the token service that a registry names may not be on an address
// that is refused.
func TestTokenServiceIsChecked(t *testing.T) {
	h := newHub(t, makeImage(t, "linux/amd64", "a"))
	target := newHub(t)
	port := target.host()[strings.LastIndex(target.host(), ":"):]
	for _, realm := range []string{"http://169.254.169.254/token", "http://127.0.0.1" + port + "/token", "http://localhost" + port + "/token", "file:///etc/passwd", "https://10.0.0.1/token"} {
		h.intercept = func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q,service=\"x\"", realm))
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		_, err := newFetcher(t, h.host()).Registry(t.Context(), Request{Reference: h.host() + "/shop:1", Credentials: &Credentials{Username: "ci", Password: "secret"}})
		if err == nil {
			t.Errorf("%s: no error", realm)
		}
	}
	if n := len(target.requests()); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}

// TestBlobRedirectIsChecked: a registry may not send the service to an address that is refused.
func TestBlobRedirectIsChecked(t *testing.T) {
	m := makeImage(t, "linux/amd64", "a")
	h, target := newHub(t, m), newHub(t, m)
	h.intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, m.layers[0]) {
			http.Redirect(w, r, target.URL+r.URL.Path, http.StatusFound)
			return true
		}
		return false
	}
	img, err := newFetcher(t, h.host()).Registry(t.Context(), Request{Reference: h.host() + "/shop:1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := img.Layers[0].Open(t.Context()); err == nil || kindOfError(t, err) != Refused {
		t.Errorf("%v", err)
	}
	if n := len(target.requests()); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}

// TestForeignLayers: a layer that the registry lacks is fetched from the URLs of the manifest,
// without credentials, and only from addresses that are allowed.
func TestForeignLayers(t *testing.T) {
	m := makeImage(t, "linux/amd64", "a")
	host := newHub(t, m)
	h := newHub(t)
	for d, b := range m.blobs {
		if d != m.layers[0] {
			h.blobs[d] = b
		}
	}
	text := strings.Replace(string(m.blobs[m.manifest]), `"layers":[{`, fmt.Sprintf(`"layers":[{"urls":["http://169.254.169.254/x","%s/v2/shop/blobs/%s"],`, host.URL, m.layers[0]), 1)
	h.blobs[shaOf([]byte(text))] = []byte(text)
	h.tags["1"] = shaOf([]byte(text))
	h.intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if user, _, _ := r.BasicAuth(); user != "ci" {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	}
	request := Request{Reference: h.host() + "/shop:1", Credentials: &Credentials{Username: "ci", Password: "secret"}}
	img, err := newFetcher(t, "127.0.0.1").Registry(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if got := readLayers(t, img); got[0] != m.layers[0] {
		t.Errorf("layers %v", got)
	}
	for _, r := range host.requests() {
		if r.Header.Get("Authorization") != "" {
			t.Error("the other host got credentials")
		}
	}
	if img, err = newFetcher(t, h.host()).Registry(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if _, err := img.Layers[0].Open(t.Context()); err == nil || kindOfError(t, err) != Refused {
		t.Errorf("%v", err)
	}
}

// TestCutLayer: a connection that ends within a layer is not the fault of the image.
func TestCutLayer(t *testing.T) {
	m := makeImage(t, "linux/amd64", "a")
	h := newHub(t, m)
	h.intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, m.layers[0]) {
			return false
		}
		w.Header().Set("Content-Length", "4096")
		w.Write([]byte("short"))
		return true
	}
	f := newFetcher(t, "127.0.0.1")
	fromRegistry, err := f.Registry(t.Context(), Request{Reference: h.host() + "/shop:1"})
	if err != nil {
		t.Fatal(err)
	}
	fromURL, err := f.URLs("shop", []URL{{URL: h.URL + "/v2/shop/blobs/" + m.layers[0]}})
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range []layer.Image{fromRegistry, fromURL} {
		body, err := img.Layers[0].Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(body)
		body.Close()
		if err == nil || kindOfError(t, err) != Unreachable || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	}
}

// TestURLs: headers go to the host of the URL only.
func TestURLs(t *testing.T) {
	m := makeImage(t, "linux/amd64", "a")
	other := newHub(t, m)
	h := newHub(t, m)
	h.intercept = func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, other.URL+"/v2/shop/blobs/"+m.layers[0], http.StatusFound)
		case "/here":
			http.Redirect(w, r, "/v2/shop/blobs/"+m.layers[0], http.StatusFound)
		case "/ftp":
			http.Redirect(w, r, "ftp://user:c2VjcmV0@example.com/layer?signature=c2VjcmV0", http.StatusFound)
		case "/secret":
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "the body of the host")
		default:
			return false
		}
		return true
	}
	header := http.Header{"Authorization": {"Basic c2VjcmV0"}, "X-Token": {"c2VjcmV0"}}
	f := newFetcher(t, "127.0.0.1")
	img, err := f.URLs("shop", []URL{{URL: h.URL + "/away", Header: header, Digest: m.layers[0]}, {URL: h.URL + "/here", Header: header}})
	if err != nil {
		t.Fatal(err)
	}
	if got := readLayers(t, img); got[0] != m.layers[0] || got[1] != m.layers[0] || img.Layers[0].Digest != m.layers[0] {
		t.Errorf("layers %v", got)
	}
	for _, r := range other.requests() {
		for name, values := range r.Header {
			if strings.Contains(fmt.Sprint(values), "c2VjcmV0") {
				t.Errorf("the other host got %s", name)
			}
		}
	}
	for _, r := range h.requests() {
		if r.Header.Get("X-Token") != "c2VjcmV0" || r.Header.Get("Authorization") == "" {
			t.Errorf("%s came without the headers", r.URL.Path)
		}
	}
	for _, tt := range []struct {
		url  string
		kind Kind
	}{{h.URL + "/none", NotFound}, {h.URL + "/secret", Unauthorized}, {h.URL + "/ftp", Invalid}, {"http://169.254.169.254/x", Refused}, {"http://127.0.0.1:1/x", Unreachable}} {
		img, err := f.URLs("shop", []URL{{URL: tt.url}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = img.Layers[0].Open(t.Context())
		if err == nil || kindOfError(t, err) != tt.kind || strings.Contains(err.Error(), "the body") || strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("%s: %v, want kind %d", tt.url, err, tt.kind)
		}
	}
	for _, bad := range []URL{{URL: "file:///etc/passwd"}, {URL: "http://"}, {URL: "%"}, {URL: h.URL, Header: http.Header{"Host": {"x"}}}} {
		if _, err := f.URLs("shop", []URL{bad}); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
}

func TestCommand(t *testing.T) {
	for in, want := range map[string]string{
		"/bin/sh -c #(nop) ADD file:5d in / ":                              "ADD file:5d in /",
		`/bin/sh -c #(nop)  CMD ["bash"]`:                                  `CMD ["bash"]`,
		"/bin/sh -c apt-get install -y curl":                               "RUN apt-get install -y curl",
		"RUN /bin/sh -c apt-get install -y curl # buildkit":                "RUN apt-get install -y curl",
		"|1 token=assay_x /bin/sh -c /assay ${token}":                      "RUN /assay ${token}",
		"RUN |2 token=assay_x b=c d /bin/sh -c /assay ${token} # buildkit": "RUN /assay ${token}",
		"|1 token=assay_x /bin/bash -c x":                                  "RUN",
		"COPY file /etc # buildkit":                                        "COPY file /etc",
		"":                                                                 "",
		"bazel build ...":                                                  "bazel build ...",
	} {
		if got := command(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := command(strings.Repeat("é", maxCreatedBy)); len(got) > maxCreatedBy+4 || !strings.HasSuffix(got, "é…") {
		t.Errorf("%d bytes", len(got))
	}
}

func TestRegistryAuth(t *testing.T) {
	header := func(text string) string { return base64.URLEncoding.EncodeToString([]byte(text)) }
	const ref = "registry.example.com/shop:1"
	for _, tt := range []struct {
		header string
		want   Credentials
		ok     bool
	}{
		{header(`{"username":"a","password":"b"}`), Credentials{Username: "a", Password: "b"}, true},
		{header(`{"username":"a","password":"b?>~","serveraddress":"https://registry.example.com/v1/"}`), Credentials{Username: "a", Password: "b?>~"}, true},
		{base64.StdEncoding.EncodeToString([]byte(`{"username":"a","password":"?>~?>~"}`)), Credentials{Username: "a", Password: "?>~?>~"}, true},
		{header(`{"auth":"` + base64.StdEncoding.EncodeToString([]byte("a:b:c")) + `"}`), Credentials{Username: "a", Password: "b:c"}, true},
		{header(`{"identitytoken":"t"}`), Credentials{IdentityToken: "t"}, true},
		{header(`{"registrytoken":"t"}`), Credentials{RegistryToken: "t"}, true},
		{header(`{"username":"a","password":"b","serveraddress":"other.example.com"}`), Credentials{}, false},
		{header(`{"username":"a"}`), Credentials{}, false},
		{header(`{"password":"b"}`), Credentials{}, false},
		{header(`{"username":"a","password":"b","registrytoken":"t"}`), Credentials{}, false},
		{header(`[]`), Credentials{}, false},
		{"%%%", Credentials{}, false},
	} {
		got, err := ParseRegistryAuth(tt.header, ref)
		if (err == nil) != tt.ok || err == nil && *got != tt.want {
			t.Errorf("%s: %v, %v", tt.header, err, got != nil && *got == tt.want)
		}
	}
	for _, none := range []string{"", header(`{}`)} {
		if got, err := ParseRegistryAuth(none, ref); got != nil || err != nil {
			t.Errorf("%q: %v", none, err)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v %s", &Credentials{Password: "hunter2"}, Credentials{Password: "hunter2"}, Credentials{Password: "hunter2"}, Credentials{Password: "hunter2"}); strings.Contains(s, "hunter2") {
		t.Error(s)
	}
}
