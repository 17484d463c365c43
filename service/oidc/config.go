package oidc

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Config is the file that --oidc names, in YAML:
//
//	issuers:
//	  - issuer: https://token.actions.githubusercontent.com
//	    audience: https://assay.example.com
//	    rules:
//	      - name: github
//	        claims:
//	          repository: acme/*
//	          ref: [refs/heads/main, refs/tags/*]
//	        project: "{repository}"
//	        scopes: [scan]
type Config struct {
	Issuers []Issuer `yaml:"issuers"`
}

// An Issuer is trusted to say who a token is for.
type Issuer struct {
	URL      string `yaml:"issuer"`   // compared byte for byte with the claim "iss"
	Audience string `yaml:"audience"` // must be among the claim "aud"
	// CA is a file of PEM certificates that are trusted for this issuer instead of
	// the system's, as for a Kubernetes API server. It is relative to the
	// configuration's folder.
	CA    string `yaml:"ca"`
	Rules []Rule `yaml:"rules"`

	roots *x509.CertPool
}

// A Rule grants a project and scopes to tokens whose claims match all patterns.
type Rule struct {
	Name string `yaml:"name"`
	// Claims maps the name of a claim to patterns, one of which its value must match.
	// A name that begins with "/" is a JSON pointer (RFC 6901) to a nested claim
	// ("/kubernetes.io/namespace"). In a pattern "*" matches any characters except
	// "/"; every other character matches itself, with its case. The value must be a
	// string, a number or a boolean.
	Claims map[string]Patterns `yaml:"claims"`
	// Project bounds the token to one project. "{claim}" is replaced by the value of
	// a claim, so that one rule serves many repositories. Empty means every project.
	Project string   `yaml:"project"`
	Scopes  []string `yaml:"scopes"` // "scan" if none is given
}

// Patterns is one string or a list of strings.
type Patterns []string

// UnmarshalYAML takes a string or a list of strings.
func (p *Patterns) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		var s string
		if err := n.Decode(&s); err != nil {
			return err
		}
		*p = Patterns{s}
		return nil
	}
	var list []string
	if err := n.Decode(&list); err != nil {
		return err
	}
	*p = list
	return nil
}

// maxConfig bounds the bytes of a configuration.
const maxConfig = 1 << 20

// ReadConfig reads and checks a configuration. allowed are the scopes that a rule may
// grant.
func ReadConfig(path string, allowed []string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return Config{}, fmt.Errorf("read %q: %w", path, err)
	}
	if len(b) > maxConfig {
		return Config{}, fmt.Errorf("read %q: it has more than %d bytes", path, maxConfig)
	}
	c, err := parse(b, filepath.Dir(path), allowed)
	if err != nil {
		return Config{}, fmt.Errorf("read %q: %w", path, err)
	}
	return c, nil
}

// unknownKey matches how package yaml reports a key that a Go type does not have.
var unknownKey = regexp.MustCompile(`field (\S+) not found in type \S+$`)

func parse(b []byte, dir string, allowed []string) (Config, error) {
	var c Config
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true) // a misspelled key would drop a condition
	err := d.Decode(&c)
	if t, ok := errors.AsType[*yaml.TypeError](err); ok {
		return Config{}, errors.New(unknownKey.ReplaceAllString(t.Errors[0], "unknown key \"$1\""))
	}
	if err != nil && !errors.Is(err, io.EOF) { // an empty file has no issuers
		return Config{}, err
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("there is more than one YAML document")
	}
	if len(c.Issuers) == 0 {
		return Config{}, errors.New("no issuers")
	}
	urls, names := map[string]bool{}, map[string]bool{}
	for n := range c.Issuers {
		i := &c.Issuers[n]
		if urls[i.URL] {
			return Config{}, fmt.Errorf("issuer %q is named twice", i.URL)
		}
		urls[i.URL] = true
		if err := i.check(dir, allowed, names); err != nil {
			return Config{}, fmt.Errorf("issuer %q: %w", i.URL, err)
		}
	}
	return c, nil
}

// check checks one issuer, reads its CA and adds the names of its rules to names.
func (i *Issuer) check(dir string, allowed []string, names map[string]bool) error {
	if err := checkURL(i.URL); err != nil {
		return err
	}
	if i.Audience == "" {
		return errors.New("no audience: a token for another service would be accepted")
	}
	if i.CA != "" {
		path := i.CA
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		pem, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("ca: %w", err)
		}
		i.roots = x509.NewCertPool()
		if !i.roots.AppendCertsFromPEM(pem) {
			return fmt.Errorf("ca: %q has no PEM certificates", path)
		}
	}
	if len(i.Rules) == 0 {
		return errors.New("no rules")
	}
	for n := range i.Rules {
		r := &i.Rules[n]
		if !ruleName.MatchString(r.Name) {
			return fmt.Errorf("rule %d: invalid name %q: 1 to 40 letters, digits, dots, dashes and underscores", n+1, r.Name)
		}
		if names[r.Name] {
			return fmt.Errorf("rule %q is named twice", r.Name)
		}
		names[r.Name] = true
		if err := r.check(allowed); err != nil {
			return fmt.Errorf("rule %q: %w", r.Name, err)
		}
	}
	return nil
}

var ruleName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)

func (r *Rule) check(allowed []string) error {
	if len(r.Claims) == 0 {
		return errors.New("no claims: every token of the issuer would match")
	}
	for name, patterns := range r.Claims {
		if len(patterns) == 0 || slices.Contains(patterns, "") {
			return fmt.Errorf("claim %q has an empty pattern", name)
		}
	}
	if len(r.Scopes) == 0 {
		r.Scopes = []string{"scan"}
	}
	for _, s := range r.Scopes {
		if !slices.Contains(allowed, s) {
			return fmt.Errorf("invalid scope %q: want one of: %s", s, strings.Join(allowed, ", "))
		}
	}
	for _, m := range placeholder.FindAllStringSubmatch(r.Project, -1) {
		if _, ok := r.Claims[m[1]]; !ok {
			return fmt.Errorf("project %q uses claim %q, which the rule does not match", r.Project, m[1])
		}
	}
	if strings.ContainsAny(placeholder.ReplaceAllString(r.Project, ""), "{}") {
		return fmt.Errorf("invalid project %q: unbalanced braces", r.Project)
	}
	return nil
}

// checkURL accepts https, and http to loopback for tests.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return fmt.Errorf("invalid URL %q: %w", s, err)
	case u.Host == "" || u.User != nil:
		return fmt.Errorf("invalid URL %q: it must be https://HOST", s)
	case u.Scheme == "http" && isLoopback(u.Hostname()), u.Scheme == "https":
		return nil
	}
	return fmt.Errorf("invalid URL %q: it must begin with https", s)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// transport trusts the issuer's own CA if one is configured.
func transport(i Issuer) http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: i.roots}
	return t
}

func decodePart(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }
