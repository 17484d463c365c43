package v4

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"assay/service/httpserver"
)

// signed returns a JWT.
func signed(t *testing.T, key any, algorithm jose.SignatureAlgorithm, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestPSK(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	p := &PSK{key: key, issuers: []string{"quay", intraservice}, project: "registry"}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]any{"iss": "quay", "exp": at(time.Minute)}
	with := func(name string, value any) map[string]any {
		m := map[string]any{"iss": "quay", "exp": at(time.Minute)}
		m[name] = value
		return m
	}
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"quay","exp":99999999999}`)) + "."
	whole := signed(t, key, jose.HS256, good)
	for name, tt := range map[string]struct {
		jwt string
		ok  bool
		err string // empty: it is left to others
	}{
		"Quay's":                   {whole, true, ""},
		"of Clair's parts":         {signed(t, key, jose.HS256, map[string]any{"iss": intraservice, "iat": at(0), "nbf": at(-time.Minute), "exp": at(time.Minute)}), true, ""},
		"just expired":             {signed(t, key, jose.HS256, with("exp", at(-10*time.Second))), true, ""},
		"expired":                  {signed(t, key, jose.HS256, with("exp", at(-16*time.Second))), false, "expired"},
		"without an end":           {signed(t, key, jose.HS256, map[string]any{"iss": "quay"}), false, "no exp"},
		"not yet":                  {signed(t, key, jose.HS256, with("nbf", at(16*time.Second))), false, "not valid yet"},
		"nearly":                   {signed(t, key, jose.HS256, with("nbf", at(10*time.Second))), true, ""},
		"from the future":          {signed(t, key, jose.HS256, with("iat", at(time.Minute))), false, "issued in the future"},
		"of somebody else":         {signed(t, key, jose.HS256, with("iss", "Quay")), false, "issuer"},
		"of nobody":                {signed(t, key, jose.HS256, with("iss", "")), false, "issuer"},
		"with another key":         {signed(t, bytes.Repeat([]byte{8}, 32), jose.HS256, good), false, "signature"},
		"with a changed signature": {whole[:len(whole)-2] + "xx", false, "signature"},
		"with another claim":       {strings.Join([]string{strings.Split(whole, ".")[0], base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"quay","exp":99999999999}`)), strings.Split(whole, ".")[2]}, "."), false, "signature"},
		"with another size":        {signed(t, bytes.Repeat([]byte{7}, 64), jose.HS512, good), false, ""},
		"of an issuer of OIDC":     {signed(t, ec, jose.ES256, good), false, ""},
		"not signed":               {unsigned, false, ""},
		"a token":                  {"assay_abc", false, ""},
		"nothing":                  {"", false, ""},
		"not JSON":                 {"a.b.c", false, ""},
	} {
		got, ok, err := p.token(tt.jwt, now)
		if ok != tt.ok || (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, %v; want %q", name, ok, err, tt.err)
		}
		if ok && (got.Project != "registry" || !httpserver.HasScope(got, "scan") || !httpserver.HasScope(got, "read") || httpserver.HasScope(got, "admin") || !got.Valid(now)) {
			t.Errorf("%s: %+v", name, got)
		}
		if err != nil && tt.jwt != "" && strings.Contains(err.Error(), tt.jwt) {
			t.Errorf("%s: the error has the JWT", name)
		}
	}
}

// TestReadPSK reads Clair's own configuration, of its documentation.
func TestReadPSK(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	read := func(text string) (*PSK, error) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return ReadPSK(path, "registry")
	}
	p, err := read("introspection_addr: :8089\nhttp_listen_addr: :6060\nindexer:\n  connstring: host=clair-database\nauth:\n  psk:\n    key: " + key + "\n    iss: [quay, clairctl]\n")
	if err != nil || len(p.key) != 32 || strings.Join(p.issuers, " ") != "quay clairctl clair-intraservice" || p.project != "registry" {
		t.Fatalf("%+v, %v", p, err)
	}
	for want, text := range map[string]string{
		"key is missing":  "auth:\n  psk:\n    iss: [quay]\n",
		"is not YAML":     "auth: [" + key,
		"not base64":      "auth:\n  psk:\n    key: '*secret*'\n",
		"at least 32":     "auth:\n  psk:\n    key: c2VjcmV0\n",
		"an empty issuer": "auth:\n  psk:\n    key: " + key + "\n    iss: ['']\n",
		"more than":       strings.Repeat("#", maxPSKFile+1),
	} {
		_, err := read(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "*secret*") {
			t.Errorf("%q: %v", want, err)
		}
	}
	if _, err := ReadPSK(filepath.Join(t.TempDir(), "none"), ""); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
}

// TestPSKRequests: a JWT works for this API, with and without a key of the service.
func TestPSKRequests(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	jwt := signed(t, key, jose.HS256, map[string]any{"iss": "quay", "exp": time.Now().Add(time.Minute).Unix()})
	r := newRig(t, func(c *Config) { c.PSK = &PSK{key: key, issuers: []string{"quay"}, project: "registry"} })
	r.vulnerable()
	r.want(201, "POST", indexReportPath, jwt, manifestText(hashA, r.layer("one", "1")))
	r.want(200, "GET", indexReportPath+"/"+hashA, r.token("registry", "read"), "") // one of its project
	r.want(404, "GET", indexReportPath+"/"+hashA, r.token("shop", "read"), "")
	if got := r.want(401, "GET", indexStatePath, jwt[:len(jwt)-3]+"abc", ""); !strings.Contains(got.body, "signature") {
		t.Errorf("got %s", got.body)
	}
	r.want(401, "GET", indexStatePath, signed(t, key, jose.HS256, map[string]any{"iss": "quay", "exp": 1}), "")
	without := newRig(t, nil)
	without.want(401, "GET", indexStatePath, jwt, "")
}

func FuzzPSK(f *testing.F) {
	f.Add([]byte("auth:\n  psk:\n    key: " + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n    iss: [quay]\n"))
	f.Add([]byte("auth: {psk: {key: x}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePSK(text, "")
		if (p == nil) == (err == nil) || p != nil && len(p.key) < minKey {
			t.Errorf("%+v, %v", p, err)
		}
	})
}
