package source

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"go.yaml.in/yaml/v3"

	"assay/verdict/hint"
)

const (
	maxAccounts = 1 << 20 // bytes of the file
	maxSecret   = 64 << 10
)

// Accounts are the credentials of projects for registries.
type Accounts struct {
	projects map[string]map[string]account
}

// An account has names of files with secrets, and no secret.
type account struct {
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password-file"`
	TokenFile    string `yaml:"token-file"`
}

// EveryProject is the name of the project whose accounts count for all tokens, also those that
// are for no project.
const EveryProject = "*"

// ReadAccounts reads a file such as
//
//	projects:
//	  shop:
//	    registry.example.com:
//	      username: assayd
//	      password-file: /etc/assayd/shop-registry
//	  "*":
//	    docker.io:
//	      token-file: /etc/assayd/hub
//
// The files with the secrets are read when they are needed, so they can be replaced.
func ReadAccounts(path string) (*Accounts, error) {
	const next = "docs/images.md shows such a file"
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := bounded(f, maxAccounts, "file")
	if err != nil {
		return nil, err
	}
	var file struct {
		Projects map[string]map[string]account `yaml:"projects"`
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		return nil, hint.Errorf(next, "read %q: %w", path, err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, hint.Errorf(next, "read %q: more than one document", path)
	}
	a := &Accounts{projects: map[string]map[string]account{}}
	for project, hosts := range file.Projects {
		a.projects[project] = map[string]account{}
		for host, acc := range hosts {
			bad := func(format string, args ...any) error {
				return hint.Errorf(next, "read %q: project %q, registry %q: %s", path, project, host, fmt.Sprintf(format, args...))
			}
			registry, err := registryHost(host)
			if err != nil {
				return nil, bad("not the host of a registry")
			}
			if (acc.PasswordFile == "") == (acc.TokenFile == "") {
				return nil, bad("needs either password-file or token-file")
			}
			if (acc.Username == "") != (acc.PasswordFile == "") {
				return nil, bad("username and password-file belong together")
			}
			if _, ok := a.projects[project][registry]; ok {
				return nil, bad("named twice")
			}
			a.projects[project][registry] = acc
		}
	}
	return a, nil
}

// registryHost returns the host of a registry, by which images are fetched. Docker Hub has
// several names.
func registryHost(s string) (string, error) {
	if u, err := url.Parse(s); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
		s = u.Host
	}
	if s == "" || strings.ContainsAny(s, "/@") {
		return "", fmt.Errorf("invalid host %q", s)
	}
	if s == "registry-1.docker.io" {
		s = name.DefaultRegistry
	}
	r, err := name.NewRegistry(strings.ToLower(s))
	return r.RegistryStr(), err
}

// Lookup is for Fetcher.Lookup.
func (a *Accounts) Lookup(_ context.Context, project, registry string) (*Credentials, error) {
	host, err := registryHost(registry)
	if err != nil {
		return nil, nil // it has no account
	}
	for _, p := range []string{project, EveryProject} {
		acc, ok := a.projects[p][host]
		if !ok || p == "" {
			continue
		}
		f, err := os.Open(cmp.Or(acc.PasswordFile, acc.TokenFile))
		if err != nil {
			return nil, fmt.Errorf("credentials for %q: %w", host, err)
		}
		secret, err := bounded(f, maxSecret, "credentials")
		if err != nil {
			return nil, fmt.Errorf("credentials for %q: %w", host, err)
		}
		text := strings.TrimRight(string(secret), "\r\n")
		if text == "" {
			return nil, fmt.Errorf("credentials for %q: %q is empty", host, f.Name())
		}
		if acc.TokenFile != "" {
			return &Credentials{RegistryToken: text}, nil
		}
		return &Credentials{Username: acc.Username, Password: text}, nil
	}
	return nil, nil
}

// DockerConfig is for Fetcher.Lookup in a program that a person runs: it uses the
// configuration of docker or podman of that person, including programs that keep credentials.
func DockerConfig(_ context.Context, _, registry string) (*Credentials, error) {
	r, err := name.NewRegistry(registry)
	if err != nil {
		return nil, nil
	}
	auth, err := authn.DefaultKeychain.Resolve(r)
	if err != nil {
		return nil, fmt.Errorf("credentials for %q: %w", registry, err)
	}
	c, err := auth.Authorization()
	if err != nil {
		return nil, fmt.Errorf("credentials for %q: %w", registry, err)
	}
	return &Credentials{Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken}, nil
}

// ParseRegistryAuth reads the header X-Registry-Auth as Docker's API has it: JSON in base64url
// with username and password, identitytoken or registrytoken. If it names a server, that must
// be the registry of the reference. It is nil for an empty header.
func ParseRegistryAuth(header, reference string) (*Credentials, error) {
	if header == "" {
		return nil, nil
	}
	bad := func(what string) error {
		return fail(Malformed, "it is JSON in base64url, as Docker's API has it: {\"username\", \"password\"}, {\"identitytoken\"} or {\"registrytoken\"}", "invalid X-Registry-Auth: %s", what)
	}
	if len(header) > maxSecret {
		return nil, bad("too long")
	}
	encoding := base64.URLEncoding
	if strings.ContainsAny(header, "+/") {
		encoding = base64.StdEncoding
	}
	text, err := encoding.WithPadding(base64.NoPadding).DecodeString(strings.TrimRight(header, "="))
	if err != nil {
		return nil, bad("not base64")
	}
	var c struct {
		Username      string `json:"username"`
		Password      string `json:"password"`
		Auth          string `json:"auth"`
		ServerAddress string `json:"serveraddress"`
		IdentityToken string `json:"identitytoken"`
		RegistryToken string `json:"registrytoken"`
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, bad("not JSON") // the error could have a part of it
	}
	if c.Auth != "" && c.Username == "" {
		plain, err := base64.StdEncoding.DecodeString(c.Auth)
		user, password, ok := strings.Cut(string(plain), ":")
		if err != nil || !ok {
			return nil, bad("not USER:PASSWORD in \"auth\"")
		}
		c.Username, c.Password = user, password
	}
	if c.ServerAddress != "" {
		server, err := registryHost(c.ServerAddress)
		ref, referr := name.ParseReference(reference)
		if err != nil || referr != nil || server != ref.Context().RegistryStr() {
			return nil, fail(Malformed, "send the credentials of the registry that the image names, or leave serveraddress out",
				"invalid X-Registry-Auth: its serveraddress is not the registry of the image")
		}
	}
	set := slices.DeleteFunc([]string{c.Password, c.IdentityToken, c.RegistryToken}, func(s string) bool { return s == "" })
	switch {
	case len(set) > 1:
		return nil, bad("more than one of password, identitytoken and registrytoken")
	case len(set) == 0 && c.Username == "":
		return nil, nil // as docker sends it without credentials
	case len(set) == 0 || c.Password != "" && c.Username == "":
		return nil, bad("username and password belong together")
	}
	return &Credentials{Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken}, nil
}
