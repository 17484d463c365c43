package harbor

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"assay/service/httpserver"
	"assay/service/image"
	"assay/service/layer/source"
	"assay/service/store"
)

// Bounds of scans.
const (
	maxRequest = 1 << 20          // bytes of a request
	maxJobs    = 1000             // scans that were accepted and are not finished
	jobTime    = 90 * time.Minute // from acceptance to the end
	endTime    = 30 * time.Second // for writing the result
)

// A request is a ScanRequest.
type request struct {
	Registry struct {
		URL           string `json:"url"`
		Authorization string `json:"authorization"`
	} `json:"registry"`
	Artifact     artifact `json:"artifact"`
	Capabilities []struct {
		Type       string `json:"type"`
		Parameters *struct {
			MediaTypes []string `json:"sbom_media_types"`
		} `json:"parameters"`
	} `json:"enabled_capabilities"`
}

// An artifact is an image in a registry.
type artifact struct {
	Repository string `json:"repository"`
	Digest     string `json:"digest"`
	Tag        string `json:"tag,omitempty"`
	MIMEType   string `json:"mime_type,omitempty"`
}

// A job is what a record keeps of a scan, in addition to the scan itself. It has no
// credentials.
type job struct {
	Token    string   `json:"token"` // that asked for it
	Artifact artifact `json:"artifact"`
}

// scan accepts a scan, and runs it in the background.
func (h *Handler) scan(w http.ResponseWriter, r *http.Request, t store.Token) error {
	q, err := h.receive(w, r, t)
	if err != nil {
		return err
	}
	wanted, err := q.image(t)
	if err != nil {
		return err
	}
	body, err := json.Marshal(job{t.ID, q.Artifact})
	if err != nil {
		return err
	}
	if !h.enter() {
		return h.server.Busy(maxJobs)
	}
	id := rand.Text()
	work, err := h.Records.Start(r.Context(), image.Record{Kind: kind, Project: t.Project, Key: id, Body: body})
	if err != nil {
		h.leave()
		return err
	}
	go h.run(t, wanted, q.Artifact, work, body)
	return send(w, http.StatusAccepted, typeAccepted, map[string]string{"id": id})
}

// enter reports whether another scan can be accepted.
func (h *Handler) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.jobs >= maxJobs || h.ctx.Err() != nil {
		return false
	}
	h.jobs++
	h.work.Add(1)
	return true
}

func (h *Handler) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.jobs--
	h.work.Done()
}

// receive reads a ScanRequest. Unknown fields are ignored, as the specification allows later
// versions to have more.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request, t store.Token) (request, error) {
	var q request
	memory := h.server.BodyMemory(t)
	defer memory.Free()
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	var body httpserver.Body
	if err := h.server.Receive(w, r, memory, &body); err != nil {
		return q, err
	}
	// The error of the decoder may quote the credentials.
	if err := json.Unmarshal(body.Sent, &q); err != nil {
		return q, problem(http.StatusBadRequest, "the scan request is not JSON of this form")
	}
	return q, nil
}

// invalid is the error for a field of a request.
func invalid(format string, args ...any) error {
	return problem(http.StatusUnprocessableEntity, fmt.Sprintf(format, args...))
}

// check returns a Problem for a request that cannot be accepted.
func (q request) check() error {
	for _, c := range q.Capabilities {
		if c.Type != "vulnerability" && c.Type != "sbom" {
			return invalid("invalid scan type %q", c.Type)
		}
		if c.Type != "sbom" || c.Parameters == nil {
			continue
		}
		for _, m := range c.Parameters.MediaTypes {
			if m != typeSPDX && m != typeCycloneDX {
				return invalid("unsupported SBOM media type %q", m)
			}
		}
	}
	switch {
	case q.Registry.URL == "":
		return invalid("missing registry.url")
	case q.Artifact.Repository == "":
		return invalid("missing artifact.repository")
	case q.Artifact.Digest == "":
		return invalid("missing artifact.digest")
	case q.Artifact.MIMEType != "" && !slices.Contains(manifestTypes(), q.Artifact.MIMEType):
		return problem(http.StatusNotImplemented, fmt.Sprintf("artifacts of the type %q cannot be scanned", q.Artifact.MIMEType))
	}
	return nil
}

// image checks a request, and returns the image that it names.
func (q request) image(t store.Token) (source.Request, error) {
	if err := q.check(); err != nil {
		return source.Request{}, err
	}
	u, err := url.Parse(q.Registry.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || strings.Trim(u.Path, "/") != "" {
		return source.Request{}, invalid("invalid registry.url")
	}
	// The first part of a name is a host only if it has a dot or a port.
	host := u.Host
	if u.Port() == "" && u.Scheme == "http" {
		host += ":80"
	} else if u.Port() == "" && !strings.Contains(host, ".") {
		host += ":443"
	}
	credentials, err := credentialsOf(q.Registry.Authorization)
	if err != nil {
		return source.Request{}, err
	}
	return source.Request{Reference: host + "/" + q.Artifact.Repository + "@" + q.Artifact.Digest, Project: t.Project, Credentials: credentials}, nil
}

// credentialsOf returns the credentials in an Authorization header for the registry, or nil.
func credentialsOf(header string) (*source.Credentials, error) {
	if header == "" {
		return nil, nil
	}
	scheme, value, _ := strings.Cut(header, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer") && value != "":
		return &source.Credentials{RegistryToken: value}, nil
	case strings.EqualFold(scheme, "Basic"):
		text, err := base64.StdEncoding.DecodeString(value)
		if user, password, ok := strings.Cut(string(text), ":"); err == nil && ok {
			return &source.Credentials{Username: user, Password: password}, nil
		}
	}
	return nil, invalid("invalid registry.authorization: it is neither Basic nor Bearer")
}

// run scans an image, and ends its record.
func (h *Handler) run(t store.Token, wanted source.Request, of artifact, work *image.Work, body []byte) {
	defer h.leave()
	cause, id := errors.New("the service failed while it read the image"), ""
	defer func() { // also after a panic, or the record would be running for ever
		ctx, cancel := context.WithTimeout(context.WithoutCancel(h.ctx), endTime)
		defer cancel()
		var err error
		if cause != nil {
			err = work.Fail(ctx, cause, body)
		} else {
			err = work.Finish(ctx, id, body)
		}
		if err != nil {
			h.Log.Error("end a scan for Harbor", "err", err)
		}
	}()
	ctx, cancel := context.WithTimeout(h.ctx, jobTime)
	defer cancel()
	for {
		scan, err := h.once(ctx, t, wanted, of)
		if err == nil {
			cause, id = nil, scan
			return
		}
		p, ok := errors.AsType[httpserver.Problem](image.Problem(err))
		if ok && p.RetryAfter > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(p.RetryAfter):
				continue
			}
		}
		cause = h.public(err)
		return
	}
}

// once scans an image, and returns the id of the kept scan.
func (h *Handler) once(ctx context.Context, t store.Token, wanted source.Request, of artifact) (string, error) {
	img, err := h.Fetcher.Registry(ctx, wanted)
	if err != nil {
		return "", err
	}
	// With the digest as its ref, the newest scan of an artifact is kept for longest.
	scanned, err := h.Scanner.Scan(ctx, t, img, image.Options{Ref: of.Digest})
	return scanned.Scan.ID, err
}

// public returns the cause of a failure for Harbor. Errors that are not those of the image
// are in the log alone.
func (h *Handler) public(err error) error {
	if p, ok := errors.AsType[httpserver.Problem](image.Problem(err)); ok {
		if p.Hint != "" {
			return errors.New(p.What + "; " + p.Hint)
		}
		return p
	}
	if errors.Is(err, context.Canceled) {
		return errors.New("the service stopped while it read the image; scan it again")
	}
	h.Log.Error("scan for Harbor failed", "err", err)
	return errors.New("the service could not read the image; its log says why")
}
