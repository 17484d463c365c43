package api

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"assay/service/httpserver"
)

// How long a builder or a proxy may cache a response.
const (
	cacheAsk     = "no-cache" // only after checking that the ETag is still valid
	cacheForever = "public, max-age=31536000, immutable"
)

const (
	typeProgram = "application/octet-stream"
	typeText    = "text/plain; charset=utf-8"
	typeScript  = "text/x-shellscript; charset=utf-8"
)

// downloads adds the handlers that need no token: the client with a bucket and the
// pinned one, their digests, and the installer.
func (a *api) downloads() {
	a.server.Handle("GET /assay", a.download(a.freshClient))
	a.server.Handle("GET /linux/{arch}/assay", a.download(a.freshClient))
	a.server.Handle("GET /linux/{arch}/assay.sha256", a.download(digestOf(a.freshClient)))
	if v := a.Clients.version; v != "" {
		a.server.Handle("GET /v"+v+"/linux/{arch}/assay", a.download(a.pinnedClient))
		a.server.Handle("GET /v"+v+"/linux/{arch}/assay.sha256", a.download(digestOf(a.pinnedClient)))
	}
	a.server.Handle("GET /install.sh", a.download(a.installer))
	a.server.HandleNotFound(a.unknown)
}

// A served is a file with the values of its header.
type served struct {
	file
	contentType, cache string
}

// download answers with a file. It sends no Last-Modified: replicas start at different
// times, and a builder takes another date for another file.
func (a *api) download(find func(*http.Request) (served, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f, err := find(r)
		if err != nil {
			a.server.Refuse(w, r, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", f.contentType)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("ETag", `"`+f.digest+`"`)
		h.Set("Cache-Control", f.cache)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.bytes))
	}
}

// freshClient returns the current client: for the architecture of the request, or for
// that of the service.
func (a *api) freshClient(r *http.Request) (served, error) {
	c, err := a.client(r)
	if err != nil {
		return served{}, err
	}
	f, err := c.of(bucket(a.Now(), a.Clients.fresh))
	return served{f, typeProgram, cacheAsk}, err
}

// pinnedClient returns the client that changes only with the version.
func (a *api) pinnedClient(r *http.Request) (served, error) {
	c, err := a.client(r)
	if err != nil {
		return served{}, err
	}
	return served{c.pinned, typeProgram, cacheForever}, nil
}

func (a *api) client(r *http.Request) (*client, error) {
	arch := r.PathValue("arch")
	if arch == "" {
		arch = runtime.GOARCH
	}
	if c := a.Clients.arches[arch]; c != nil {
		return c, nil
	}
	hint := "make release makes the clients for amd64 and arm64, assayd serve --clients dist/release serves them"
	if has := a.Clients.Arches(); len(has) > 0 {
		hint = "there is one for " + strings.Join(has, ", ") + "; " + hint
	}
	return nil, httpserver.Problem{Status: http.StatusNotFound, What: fmt.Sprintf("no client for linux/%s", arch), Hint: hint}
}

// digestOf returns the digest of what find returns, in the format of sha256sum.
func digestOf(find func(*http.Request) (served, error)) func(*http.Request) (served, error) {
	return func(r *http.Request) (served, error) {
		f, err := find(r)
		if err != nil {
			return served{}, err
		}
		return served{newFile([]byte(f.digest + "  assay\n")), typeText, f.cache}, nil
	}
}

func (a *api) installer(*http.Request) (served, error) {
	if !a.Clients.HasInstaller() {
		return served{}, httpserver.Problem{Status: http.StatusNotFound, What: "no installer is served", Hint: "put install.sh into the folder that assayd --clients names"}
	}
	return served{a.Clients.install, typeScript, cacheAsk}, nil
}

// unknown is the answer for a client of another version.
func (a *api) unknown(path string) (httpserver.Problem, bool) {
	version, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !strings.HasPrefix(version, "v") || !strings.HasPrefix(rest, "linux/") || a.Clients.version == "" {
		return httpserver.Problem{}, false
	}
	return httpserver.Problem{
		Status: http.StatusNotFound,
		What:   fmt.Sprintf("no client of version %q", strings.TrimPrefix(version, "v")),
		Hint:   fmt.Sprintf("this service serves /v%s/linux/<arch>/assay; see its release notes before you change a digest", a.Clients.version),
	}, true
}
