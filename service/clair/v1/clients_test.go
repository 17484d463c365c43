package v1

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// klar (github.com/optiopay/klar, clair/clair.go and clair/api.go) names a layer by the digests
// of the image and of the layer, sends a header Authorization in any case, and unknown fields. It
// reads the status 201, and 200 with the vulnerabilities of the features of the last layer. Its
// user puts a token into CLAIR_ADDR: http://klar:TOKEN@assay.example.com:6060.
func TestKlar(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token("shop")
	image := strings.Repeat("ab", 32)
	blobs := [][]byte{gzipped(t, archive(t, "packages", "libc 1 CVE-2024-1\n")), gzipped(t, archive(t, "packages", "libc 1 CVE-2024-1\nzlib 2 CVE-2024-2\n"))}
	parent := ""
	for i, b := range blobs {
		path := r.blob(b)
		name := image + strings.TrimPrefix(filepath.Base(path), "sha256:")
		token := []string{"", "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln"}[i]
		body := fmt.Sprintf(`{"Layer":{"Name":%q,"Path":%q,"ParentName":%q,"Format":"Docker","Features":null,"Headers":{"Authorization":%q}}}`, name, path, parent, token)
		r.do("POST", "/v1/layers", secret, body, http.StatusCreated)
		parent = name
	}
	var envelope struct {
		Layer *struct {
			Features []struct {
				Name, NamespaceName, Version, AddedBy string
				Vulnerabilities                       []struct {
					Name, NamespaceName, Description, Link, Severity, FixedBy string
					Metadata                                                  map[string]any
				}
			}
		}
	}
	text := r.do("GET", "/v1/layers/"+parent+"?vulnerabilities", secret, "", http.StatusOK)
	if err := json.Unmarshal([]byte(text), &envelope); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range envelope.Layer.Features {
		for _, v := range f.Vulnerabilities {
			found = append(found, f.Name+" "+f.Version+" "+v.Name+" "+v.Severity+" "+v.FixedBy)
		}
	}
	if got := strings.Join(found, ", "); got != "src-libc 1 CVE-2024-1 Medium 1+fixed, src-zlib 2 CVE-2024-2 Medium 2+fixed" {
		t.Error(got)
	}
	// Any other status than 201 must have a body in JSON.
	var failure struct{ Message string }
	text = r.do("POST", "/v1/layers", secret, `{"Layer":{"Name":"x","Path":"`+r.host+`/v2/none","Format":"Docker"}}`, http.StatusBadRequest)
	if err := json.Unmarshal([]byte(text), &failure); err != nil {
		t.Errorf("%v in %s", err, text)
	}
}

// clair-scanner (github.com/arminc/clair-scanner, clair.go of its version 12) serves the
// layers of docker save by HTTP, and fails on any other status than 201 and 200, and on an image
// without features.
func TestClairScanner(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Anonymous = "ci" })
	var ids []string
	for i, packages := range []string{"libc 1 CVE-2024-1\n", "libc 1 CVE-2024-1\nzlib 2 CVE-2024-2\n"} {
		sum := sha256.Sum256([]byte(packages))
		id := hex.EncodeToString(sum[:])
		path, _ := r.serve(id+"/layer.tar", archive(t, "packages", packages))
		parent := ""
		if i > 0 {
			parent = fmt.Sprintf(`,"ParentName":%q`, ids[i-1])
		}
		ids = append(ids, id)
		r.do("POST", "/v1/layers", "", fmt.Sprintf(`{"Layer":{"Name":%q,"Path":%q%s,"Format":"Docker"}}`, id, path, parent), http.StatusCreated)
	}
	var envelope struct {
		Layer *struct{ Features []feature }
		Error *struct{ Message string }
	}
	text := r.do("GET", "/v1/layers/"+ids[1]+"?vulnerabilities", "", "", http.StatusOK)
	if err := json.Unmarshal([]byte(text), &envelope); err != nil || envelope.Error != nil || len(envelope.Layer.Features) != 2 {
		t.Errorf("%v in %s", err, text)
	}
}

// Quay (github.com/quay/quay, util/secscan/api.py of its version 3.3) compares the version of
// the engine, and reads the message of an unknown parent.
func TestQuay(t *testing.T) {
	r := newRig(t, nil)
	secret := r.token("quay")
	path := r.blob(archive(t, "packages", "libc 1\n"))
	body := `{"Layer":{"Name":"%s","ParentName":"%s","Path":"` + path + `","Format":"Docker","Headers":{"Authorization":"Bearer x"}}}`
	if got := message(t, r.do("POST", "/v1/layers", secret, fmt.Sprintf(body, "id.storage", "parent.storage"), http.StatusBadRequest)); got != "worker: parent layer is unknown, it must be processed first" {
		t.Error(got)
	}
	text := r.do("POST", "/v1/layers", secret, fmt.Sprintf(body, "parent.storage", ""), http.StatusCreated)
	var created layerEnvelope
	if err := json.Unmarshal([]byte(text), &created); err != nil || created.Layer.IndexedByVersion < 2 {
		t.Errorf("%v in %s", err, text)
	}
	r.do("POST", "/v1/layers", secret, fmt.Sprintf(body, "id.storage", "parent.storage"), http.StatusCreated)
	r.do("GET", "/v1/layers/id.storage?features&vulnerabilities", secret, "", http.StatusOK)
	resp, err := http.Get(strings.Replace(r.url, "http://", "http://quay:"+secret+"@", 1) + "/v1/metrics")
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Errorf("ping: %s", resp.Status)
	}
	r.do("DELETE", "/v1/layers/id.storage", secret, "", http.StatusOK)
	r.do("GET", "/v1/layers/id.storage?features&vulnerabilities", secret, "", http.StatusNotFound)
}
