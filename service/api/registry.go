package api

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"assay/remote/token"
	"assay/service/httpserver"
	"assay/service/registry"
	"assay/service/store"
)

// repository is the only repository: "assay.example.com/assay".
const repository = "assay"

const (
	// generatorSpan is how long a generator image keeps its digest if the served client
	// never changes.
	generatorSpan = 24 * time.Hour
	// minDerived is the minimum validity of a derived token: a build pulls the image at
	// its beginning and scans at its end.
	minDerived = 2 * time.Hour
)

// A generator serves the image that BuildKit runs to scan a build. It implements the pull
// part of the OCI distribution specification 1.1, for one repository. The image has a
// token that is derived from that of the caller, for the current span of time.
type generator struct {
	*api
	image *registry.Image

	mu      sync.Mutex
	derived map[[sha256.Size]byte]bool // known to be in the store
}

// generators adds the handlers of the registry.
func (a *api) generators() {
	g := &generator{api: a, image: registry.New(a.Clients.pinned()), derived: map[[sha256.Size]byte]bool{}}
	a.server.Handle("/v2/", g.pull(func(w http.ResponseWriter, r *http.Request, _ caller) error {
		return distError{http.StatusNotFound, "NAME_UNKNOWN", fmt.Sprintf("nothing is served at %q; the one repository is %q", r.URL.Path, repository)}
	}))
	a.server.Handle("GET /v2/{$}", g.pull(func(w http.ResponseWriter, _ *http.Request, _ caller) error {
		httpserver.WriteJSON(w, http.StatusOK, struct{}{})
		return nil
	}))
	a.server.Handle("GET /v2/"+repository+"/manifests/{reference}", g.pull(g.manifest))
	a.server.Handle("GET /v2/"+repository+"/blobs/{digest}", g.pull(g.blob))
	a.server.Handle("GET /v2/"+repository+"/tags/list", g.pull(g.tagList))
}

// tags returns the tags of the image, sorted.
func (g *generator) tags() []string {
	tags := []string{"latest"}
	if v := g.Clients.version; tagForm.MatchString(v) && v != "latest" {
		tags = append(tags, v)
	}
	slices.Sort(tags)
	return tags
}

var tagForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// tagList answers with at most n tags after last, both of which are parameters.
func (g *generator) tagList(w http.ResponseWriter, r *http.Request, _ caller) error {
	tags, query := g.tags(), r.URL.Query()
	if last := query.Get("last"); last != "" {
		tags = slices.DeleteFunc(tags, func(tag string) bool { return tag <= last })
	}
	if query.Has("n") {
		n, err := strconv.Atoi(query.Get("n"))
		if err != nil || n < 0 {
			return distError{http.StatusBadRequest, "UNSUPPORTED", fmt.Sprintf("n is %q, not a number of tags", query.Get("n"))}
		}
		if n < len(tags) {
			tags = tags[:n]
			if n > 0 {
				w.Header().Set("Link", fmt.Sprintf(`</v2/%s/tags/list?n=%d&last=%s>; rel="next"`, repository, n, tags[n-1]))
			}
		}
	}
	httpserver.WriteJSON(w, http.StatusOK, map[string]any{"name": repository, "tags": tags})
	return nil
}

// A caller is the token of a request, with its secret.
type caller struct {
	store.Token
	secret string
}

// A distError is an error in the form of the distribution specification.
type distError struct {
	status        int
	code, message string
}

func (e distError) Error() string { return e.message }

// pull answers a request with a token that may scan, as the password of Basic
// authentication or as a bearer token. The registry is read-only.
func (g *generator) pull(next func(http.ResponseWriter, *http.Request, caller) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Docker-Distribution-Api-Version", "registry/2.0")
		h.Set("Cache-Control", "private, no-cache") // the image has a token
		c, err := g.caller(w, r)
		switch {
		case err != nil:
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			err = distError{http.StatusMethodNotAllowed, "UNSUPPORTED", "this registry is read-only"}
		default:
			err = next(w, r, c)
		}
		if err != nil {
			g.fail(w, r, err)
		}
	}
}

func (g *generator) caller(w http.ResponseWriter, r *http.Request) (caller, error) {
	if _, password, ok := r.BasicAuth(); ok {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+password)
	}
	t, err := g.server.Authenticate(w, r)
	if err != nil {
		return caller{}, err
	}
	// A derived token would be valid for ever if it could get the next one.
	if t.Derived || !httpserver.HasScope(t, httpserver.ScopeScan) {
		return caller{}, distError{http.StatusForbidden, "DENIED", "this token may not pull; assayd token create --scope scan makes one that may"}
	}
	_, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return caller{t, strings.TrimSpace(secret)}, nil
}

// fail writes an error in the form of the distribution specification.
func (g *generator) fail(w http.ResponseWriter, r *http.Request, err error) {
	d, ok := errors.AsType[distError](err)
	if !ok {
		p := g.server.ProblemOf(w, r, err)
		d = distError{p.Status, "UNKNOWN", p.What + "; " + p.Hint}
		switch p.Status {
		case http.StatusUnauthorized:
			d.code = "UNAUTHORIZED"
			w.Header().Set("WWW-Authenticate", `Basic realm="assay"`)
		case http.StatusTooManyRequests:
			d.code = "TOOMANYREQUESTS"
		}
	}
	httpserver.WriteJSON(w, d.status, map[string]any{"errors": []map[string]string{{"code": d.code, "message": d.message}}})
}

// manifest answers with the index for a tag. For a digest it answers with the index or
// with the manifest of one platform.
func (g *generator) manifest(w http.ResponseWriter, r *http.Request, c caller) error {
	reference := r.PathValue("reference")
	missing := distError{http.StatusNotFound, "MANIFEST_UNKNOWN", fmt.Sprintf("unknown image %q; the tags are %s", reference, strings.Join(g.tags(), " and "))}
	if g.image.Empty() {
		missing.message = "no client is served, so there is no image: start assayd with --clients"
		return missing
	}
	if !strings.Contains(reference, ":") {
		for _, tag := range g.tags() {
			if tag == reference {
				set, err := g.set(r, c, g.Now())
				if err != nil {
					return err
				}
				return serveObject(w, r, set.Index)
			}
		}
		return missing
	}
	o, ok, err := g.object(r, c, func(s registry.Set) (registry.Object, bool) { return s.Manifest(reference) })
	if err != nil {
		return err
	}
	if !ok {
		missing.message = fmt.Sprintf("unknown image %q for this token; the digest depends on the token and changes every %s", reference, g.span())
		return missing
	}
	return serveObject(w, r, o)
}

func (g *generator) blob(w http.ResponseWriter, r *http.Request, c caller) error {
	digest := r.PathValue("digest")
	o, ok, err := g.object(r, c, func(s registry.Set) (registry.Object, bool) { return s.Blob(digest) })
	if err != nil {
		return err
	}
	if !ok {
		return distError{http.StatusNotFound, "BLOB_UNKNOWN", fmt.Sprintf("unknown blob %q for this token", digest)}
	}
	return serveObject(w, r, o)
}

// object searches the current image, and that of the span before: a pull may begin
// before the change and end after it.
func (g *generator) object(r *http.Request, c caller, find func(registry.Set) (registry.Object, bool)) (o registry.Object, ok bool, err error) {
	for _, at := range []time.Time{g.Now(), g.Now().Add(-g.span())} {
		set, err := g.set(r, c, at)
		if err != nil {
			return o, false, err
		}
		if o, ok = find(set); ok {
			break
		}
	}
	return o, ok, nil
}

func serveObject(w http.ResponseWriter, r *http.Request, o registry.Object) error {
	h := w.Header()
	h.Set("Content-Type", o.MediaType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Docker-Content-Digest", o.Digest)
	h.Set("ETag", `"`+o.Digest+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(o.Bytes))
	return nil
}

// span returns how long the image stays the same for one token.
func (g *generator) span() time.Duration {
	if g.Clients.fresh > 0 {
		return g.Clients.fresh
	}
	return generatorSpan
}

// set returns the image of a caller at a time. It stores the token in it, which is valid
// for this span and the next one, and for at least minDerived.
func (g *generator) set(r *http.Request, c caller, at time.Time) (registry.Set, error) {
	bucket := bucket(at, g.span())
	secret, err := token.Derive(c.secret, "assay buildkit "+bucket)
	if err != nil {
		return registry.Set{}, err
	}
	began, err := time.Parse(time.RFC3339, bucket)
	if err != nil {
		return registry.Set{}, err
	}
	hash := token.Hash(secret)
	end := began.Add(max(2*g.span(), minDerived))
	if !c.Until.IsZero() { // a pipeline signed in for a short time, and pulls again for each build
		end = g.Now().Add(minDerived)
	}
	if !c.Until.IsZero() || !g.known(hash) {
		if err := g.Store.DeriveToken(r.Context(), c.ID, hash, nil, g.Now(), end); err != nil {
			return registry.Set{}, err
		}
		g.note(hash)
	}
	return g.image.With(secret)
}

func (g *generator) known(hash [sha256.Size]byte) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.derived[hash]
}

// maxDerived bounds the derived tokens that are remembered.
const maxDerived = 10_000

// note remembers that the store has a derived token.
func (g *generator) note(hash [sha256.Size]byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.derived) >= maxDerived {
		clear(g.derived)
	}
	g.derived[hash] = true
}
