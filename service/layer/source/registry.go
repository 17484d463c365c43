package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"assay/service/layer"
)

// Credentials are what a registry, or the token service that it names, is sent. At most one of
// Password, IdentityToken and RegistryToken is set.
type Credentials struct {
	Username, Password string
	IdentityToken      string // for the OAuth2 endpoint of a token service
	RegistryToken      string // a bearer token for the registry itself
}

// String hides the credentials where they are printed by mistake.
func (Credentials) String() string { return "credentials" }

// GoString is String.
func (Credentials) GoString() string { return "credentials" }

// A Fetcher fetches images over the network.
type Fetcher struct {
	Network *Network
	// Lookup returns the credentials that a project has for the host of a registry, or nil.
	// It is asked if a request brings none; nil has none.
	Lookup func(ctx context.Context, project, registry string) (*Credentials, error)
	// UserAgent is sent with each request, such as "assayd/1.0".
	UserAgent string
}

// A Request names an image in a registry.
type Request struct {
	// Reference is "registry.example.com/shop:1", with a tag, a digest or both. Docker Hub is
	// the registry of a name without one.
	Reference string
	// Platform is "linux/arm64"; empty is linux/amd64, or that of an image that has only one.
	Platform string
	// Project is that of the token, whose credentials are used if Credentials is nil.
	Project     string
	Credentials *Credentials
}

// Registry returns an image of a registry: it fetches the manifest for the platform and the
// configuration, and their digests are checked. The layers are fetched when they are opened.
// The error wraps *Error.
func (f *Fetcher) Registry(ctx context.Context, r Request) (layer.Image, error) {
	img, err := f.registry(ctx, r)
	if err != nil {
		return layer.Image{}, classified(err)
	}
	return img, nil
}

func (f *Fetcher) registry(ctx context.Context, r Request) (layer.Image, error) {
	none := func(err error) (layer.Image, error) { return layer.Image{}, err }
	want, err := parsePlatform(r.Platform)
	if err != nil {
		return none(err)
	}
	ref, err := f.reference(r.Reference)
	if err != nil {
		return none(err)
	}
	p, err := f.puller(ctx, ref.Context(), r)
	if err != nil {
		return none(err)
	}
	id, digest := ref.Identifier(), v1.Hash{}
	if d, ok := ref.(name.Digest); ok {
		if digest, err = v1.NewHash(d.DigestStr()); err != nil {
			return none(fail(Malformed, "", "invalid image name %q: %w", r.Reference, err))
		}
	}
	manifest, err := p.image(ctx, id, digest, want)
	if err != nil {
		return none(err)
	}
	var m v1.Manifest
	if err := decode(manifest, &m, "manifest"); err != nil {
		return none(err)
	}
	config, err := p.config(ctx, m.Config)
	if err != nil {
		return none(err)
	}
	img, layers, err := imageOf(manifest, config, want, r.Platform != "")
	if err != nil {
		return none(err)
	}
	for i, d := range layers {
		img.Layers[i].Open = func(ctx context.Context) (io.ReadCloser, error) {
			body, err := p.layer(ctx, d)
			if err != nil {
				return nil, classified(err)
			}
			return body, nil
		}
	}
	img.Name = r.Reference
	img.Digest, err = digestOf(manifest)
	return img, err
}

// reference parses the name of an image.
func (f *Fetcher) reference(s string) (name.Reference, error) {
	const hint = "it looks like registry.example.com/name:tag"
	ref, err := name.ParseReference(s)
	if err != nil || len(s) > 1024 {
		return nil, fail(Malformed, hint, "invalid image name %q", s)
	}
	if f.Network.plain(ref.Context().RegistryStr()) {
		if ref, err = name.ParseReference(s, name.Insecure); err != nil {
			return nil, fail(Malformed, hint, "invalid image name %q", s)
		}
	}
	return ref, nil
}

// A puller reads one repository of a registry.
type puller struct {
	http *http.Client
	// open follows the URLs of layers on other hosts, without credentials.
	open *http.Client
	repo name.Repository
}

// puller asks the registry how it authenticates, and signs in.
func (f *Fetcher) puller(ctx context.Context, repo name.Repository, r Request) (*puller, error) {
	credentials := r.Credentials
	if credentials == nil && f.Lookup != nil {
		var err error
		if credentials, err = f.Lookup(ctx, r.Project, repo.RegistryStr()); err != nil {
			return nil, err
		}
	}
	auth := authn.Anonymous
	if c := credentials; c != nil && *c != (Credentials{}) {
		auth = authn.FromConfig(authn.AuthConfig{Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken})
	}
	guard := f.Network.transport()
	again := transport.NewRetry(guard, transport.WithRetryStatusCodes(http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout))
	agent := transport.NewUserAgent(again, f.UserAgent)
	signed, err := transport.NewWithContext(ctx, repo.Registry, auth, agent, []string{repo.Scope(transport.PullScope)})
	if err != nil {
		return nil, err
	}
	return &puller{http: &http.Client{Transport: signed}, open: &http.Client{Transport: agent}, repo: repo}, nil
}

// get requests a path below the repository.
func (p *puller) get(ctx context.Context, kind, id string, accept ...string) (*http.Response, error) {
	// The transport replaces the scheme if the registry has answered without TLS.
	u := url.URL{Scheme: p.repo.Registry.Scheme(), Host: p.repo.RegistryStr(), Path: fmt.Sprintf("/v2/%s/%s/%s", p.repo.RepositoryStr(), kind, id)}
	return do(ctx, p.http, u.String(), accept...)
}

// do sends a GET request. The response has status 200.
func do(ctx context.Context, client *http.Client, address string, accept ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if len(accept) > 0 {
		req.Header.Set("Accept", strings.Join(accept, ", "))
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// bounded reads a body of at most max bytes.
func bounded(body io.ReadCloser, max int64, what string) ([]byte, error) {
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, max+1))
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", what, err)
	}
	if int64(len(text)) > max {
		return nil, fail(TooLarge, "", "the %s is larger than %d MiB", what, max>>20)
	}
	return text, nil
}

// manifestTypes are the manifests that a registry is asked for. Those of schema 1 are, so that
// the answer says what there is.
func manifestTypes() []string {
	return []string{
		string(types.OCIManifestSchema1), string(types.DockerManifestSchema2), string(types.OCIImageIndex), string(types.DockerManifestList),
		string(types.DockerManifestSchema1Signed) + ";q=0.1", string(types.DockerManifestSchema1) + ";q=0.1",
	}
}

// image fetches the manifest of an image: that of the platform if it is an index. A digest
// that is set is checked.
func (p *puller) image(ctx context.Context, id string, digest v1.Hash, want v1.Platform) ([]byte, error) {
	for range maxNested {
		resp, err := p.get(ctx, "manifests", id, manifestTypes()...)
		if err != nil {
			return nil, err
		}
		text, err := bounded(resp.Body, maxManifest, "manifest")
		if err != nil {
			return nil, err
		}
		if digest != (v1.Hash{}) {
			if err := sum(text, digest, "manifest"); err != nil {
				return nil, err
			}
		}
		mediaType, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
		index, err := kindOf(text, types.MediaType(mediaType))
		if err != nil || !index {
			return text, err
		}
		d, err := choose(text, want)
		if err != nil {
			return nil, err
		}
		id, digest = d.Digest.String(), d.Digest
	}
	return nil, fail(Invalid, "", "indexes are nested more than %d deep", maxNested)
}

func (p *puller) config(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	const what = "configuration of the image"
	if d.Digest == (v1.Hash{}) {
		return nil, fail(Invalid, "", "the manifest names no configuration")
	}
	resp, err := p.get(ctx, "blobs", d.Digest.String())
	if err != nil {
		return nil, err
	}
	text, err := bounded(resp.Body, maxConfig, what)
	if err != nil {
		return nil, err
	}
	return text, sum(text, d.Digest, what)
}

// layer opens a layer: from the registry, or from the URLs that the manifest has for it if the
// registry lacks it.
func (p *puller) layer(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	resp, err := p.get(ctx, "blobs", d.Digest.String())
	if failure, ok := errors.AsType[*transport.Error](err); ok && failure.StatusCode == http.StatusNotFound {
		for _, u := range d.URLs {
			if resp, err = do(ctx, p.open, u); err == nil {
				break
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("fetch the layer %s: %w", d.Digest, err)
	}
	return &fetched{resp.Body, p.repo.RegistryStr()}, nil
}

// A fetched is a layer that is being fetched. An error of the connection is not the fault of
// the image.
type fetched struct {
	io.ReadCloser
	host string
}

func (f *fetched) Read(b []byte) (int, error) {
	n, err := f.ReadCloser.Read(b)
	if err != nil && err != io.EOF && !errors.Is(err, context.Canceled) {
		err = fail(Unreachable, "try again later", "read a layer from %s: %w", f.host, err)
	}
	return n, err
}

// classified returns an error as an *Error, without what a server said at length.
func classified(err error) error {
	if known, ok := errors.AsType[*Error](err); ok {
		if _, ok := errors.AsType[*url.Error](err); ok { // of a redirect, whose address may be secret
			return &Error{Kind: known.Kind, Err: withoutQuery(err), Hint: known.Hint}
		}
		return err
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if err := refusal(err); err != nil {
		if _, ok := errors.AsType[*Error](err); ok {
			return err
		}
	}
	if failure, ok := errors.AsType[*transport.Error](err); ok {
		return answered(failure)
	}
	return fail(Unreachable, "check the name of the registry, its certificate, and that this machine reaches it", "%w", withoutQuery(err))
}

// answered describes an answer of a registry or of a token service that is not what was
// asked for.
func answered(e *transport.Error) error {
	host := "the registry"
	if e.Request != nil {
		host = e.Request.URL.Host
	}
	says := fmt.Sprintf("%d %s", e.StatusCode, http.StatusText(e.StatusCode))
	if len(e.Errors) > 0 {
		says += fmt.Sprintf(" (%s)", clip(fmt.Sprintf("%s: %s", e.Errors[0].Code, e.Errors[0].Message)))
	}
	switch e.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fail(Unauthorized, "the image may not exist, or needs other credentials", "%s refuses access: %s", host, says)
	case http.StatusNotFound:
		return fail(NotFound, "check the name and the tag", "%s has no such image: %s", host, says)
	case http.StatusTooManyRequests:
		return fail(Unreachable, "the registry limits how often it is asked; try later, or with credentials", "%s answers %s", host, says)
	}
	return fail(Unreachable, "try again later", "%s answers %s", host, says)
}

// clip bounds a text that a server chose, and makes it one line.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s), "")
}

// withoutQuery returns an error of an http.Client without the query of its URL, which may have
// a signature, and without user and password.
func withoutQuery(err error) error {
	failure, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err
	}
	where := failure.URL
	if u, err := url.Parse(where); err == nil {
		where = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	} else {
		where = "an invalid URL"
	}
	return fmt.Errorf("%s %s: %w", strings.ToLower(failure.Op), where, failure.Err)
}
