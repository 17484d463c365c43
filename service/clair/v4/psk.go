package v4

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"go.yaml.in/yaml/v3"

	"assay/service/httpserver"
	"assay/service/oidc"
	"assay/service/store"
)

const (
	// leeway is how far the clocks of clients may differ, as in Clair.
	leeway = 15 * time.Second
	// minKey is the least size of a key for HS256, in bytes (RFC 7518, section 3.2).
	minKey = 32
	// intraservice is the issuer of what Clair's own parts send to each other, and clairctl.
	intraservice = "clair-intraservice"
	maxPSKFile   = 1 << 20
)

// A PSK is the key that Clair and its clients share. A client signs a JWT with it, which
// stands for one token of assayd.
type PSK struct {
	key     []byte
	issuers []string
	project string
}

// ReadPSK reads the key and the issuers from Clair's configuration, or from a file in YAML
// with this part of it:
//
//	auth:
//	  psk:
//	    key: in base64
//	    iss: [quay]
//
// The JWTs stand for a token of the project, which may scan and read. An empty project is
// every project.
func ReadPSK(path, project string) (*PSK, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPSKFile+1))
	if err == nil && len(text) > maxPSKFile {
		err = fmt.Errorf("it has more than %d bytes", maxPSKFile)
	}
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	p, err := parsePSK(text, project)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	return p, nil
}

func parsePSK(text []byte, project string) (*PSK, error) {
	var c struct {
		Auth struct {
			PSK struct {
				Key string   `yaml:"key"`
				Iss []string `yaml:"iss"`
			} `yaml:"psk"`
		} `yaml:"auth"`
	}
	// An error of the decoder may quote the key.
	if err := yaml.Unmarshal(text, &c); err != nil {
		return nil, errors.New("it is not YAML with auth.psk.key and auth.psk.iss")
	}
	if c.Auth.PSK.Key == "" {
		return nil, errors.New("auth.psk.key is missing")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(c.Auth.PSK.Key))
	if err != nil {
		return nil, errors.New("auth.psk.key is not base64")
	}
	if len(key) < minKey {
		return nil, fmt.Errorf("auth.psk.key has %d bytes: HS256 needs at least %d", len(key), minKey)
	}
	if slices.Contains(c.Auth.PSK.Iss, "") {
		return nil, errors.New("auth.psk.iss has an empty issuer")
	}
	return &PSK{key: key, issuers: append(c.Auth.PSK.Iss, intraservice), project: project}, nil
}

// token returns the token that a JWT stands for. ok is false if the text is no JWT that is
// signed as Clair's clients do: it may be one of a pipeline, or a token. The error says what
// is wrong with it, and nothing about the key.
func (p *PSK) token(text string, now time.Time) (t store.Token, ok bool, err error) {
	if !oidc.LooksLikeJWT(text) {
		return t, false, nil
	}
	signed, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return t, false, nil // of another algorithm
	}
	var claims jwt.Claims
	if err := signed.Claims(p.key, &claims); err != nil {
		return t, false, errors.New("its signature is wrong")
	}
	if claims.Expiry == nil {
		return t, false, errors.New("it has no exp")
	}
	if err := claims.ValidateWithLeeway(jwt.Expected{Time: now}, leeway); err != nil {
		return t, false, errors.New(strings.TrimPrefix(err.Error(), "go-jose/go-jose/jwt: "))
	}
	if !slices.Contains(p.issuers, claims.Issuer) {
		return t, false, errors.New("its issuer is not in auth.psk.iss")
	}
	return store.Token{
		ID: "clair-psk", Name: "clair-psk " + claims.Issuer, Project: p.project,
		Scopes: []string{httpserver.ScopeScan, httpserver.ScopeRead}, Until: claims.Expiry.Time().Add(leeway),
	}, true, nil
}
