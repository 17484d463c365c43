// Package image evaluates finished images: it makes the inventory of an image from its
// layers, and evaluates it like one that assay sent from inside a build.
package image

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"assay/remote/cyclonedx"
	"assay/service/httpserver"
	"assay/service/layer"
	"assay/service/layer/source"
	"assay/service/scan"
	"assay/service/store"
	"assay/verdict"
	"assay/verdict/hint"
)

// Options are the options of a scan.
type Options struct {
	Project, Ref, Commit string
	// Options are further options of assay by name, such as "fail-on".
	Options map[string]string
	// Files are files of exceptions, VEX statements and the baseline, as assay sends them.
	Files []cyclonedx.File
	// Discard is set for a scan that is not to be stored.
	Discard bool
}

// Check returns a Problem for an unknown option or an invalid value.
func (o Options) Check() error {
	for _, given := range o.given() {
		declared, ok := verdict.DeclaredOption(given.Name)
		if !ok {
			return httpserver.Problem{Status: http.StatusBadRequest, What: fmt.Sprintf("unknown option %q", given.Name), Hint: "assay --help lists the options"}
		}
		if !declared.Set(new(verdict.Options), given.Value) {
			return httpserver.Problem{Status: http.StatusBadRequest, What: fmt.Sprintf("invalid value %q of option %q", given.Value, given.Name), Hint: "it takes " + declared.Takes()}
		}
	}
	return nil
}

// given returns the options as assay sends them.
func (o Options) given() []cyclonedx.Option {
	all := map[string]string{}
	for name, value := range o.Options {
		all[name] = value
	}
	for name, value := range map[string]string{"project": o.Project, "ref": o.Ref, "commit": o.Commit} {
		if value != "" {
			all[name] = value
		}
	}
	var list []cyclonedx.Option
	for name, value := range all {
		list = append(list, cyclonedx.Option{Name: name, Value: value, Origin: "flag"})
	}
	slices.SortFunc(list, func(a, b cyclonedx.Option) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return list
}

// A Scanned is an image that was evaluated.
type Scanned struct {
	Scan    store.Scan // as kept, with the inventory as Request
	Sent    cyclonedx.Scan
	Verdict verdict.Verdict
	Layers  []layer.Layer // Bytes is zero if the layers were not read for this answer
}

// Evaluate evaluates a CycloneDX document for a token. If keep is set, it stores the scan. A
// scan that cannot be stored is an error.
type Evaluate func(ctx context.Context, t store.Token, document []byte, keep bool) (store.Scan, verdict.Verdict, error)

// Bounds of a Scanner, where its fields are zero.
const (
	defaultAtOnce   = 3
	defaultWaiting  = 64
	defaultPatience = 2 * time.Minute
	defaultTimeout  = 20 * time.Minute
)

// A Scanner evaluates images. A few images are read at once, and others wait.
type Scanner struct {
	Dir      string // for the files of images while they are read
	Limits   layer.Limits
	Evaluate Evaluate
	// Memory reserves the memory for reading an image, until it is freed. It may be nil.
	Memory func(ctx context.Context, t store.Token) (free func(), err error)
	// AtOnce and Waiting are how many images are read and wait. An image waits for Patience,
	// and is read for Timeout. Zero values are replaced by defaults.
	AtOnce, Waiting   int
	Patience, Timeout time.Duration
	// Client is the name and version of the service, for the inventories.
	Client string
	// Inspect reads an image; nil is layer.Inspect.
	Inspect func(ctx context.Context, dir string, img layer.Image, limits layer.Limits) (layer.Result, error)

	start sync.Once
	queue *httpserver.Queue
}

// Defaults replaces zero values. The methods that need them call it.
func (s *Scanner) Defaults() {
	s.start.Do(func() {
		or := func(n, byDefault int) int {
			if n > 0 {
				return n
			}
			return byDefault
		}
		if s.Patience <= 0 {
			s.Patience = defaultPatience
		}
		if s.Timeout <= 0 {
			s.Timeout = defaultTimeout
		}
		s.queue = httpserver.NewQueue(or(s.AtOnce, defaultAtOnce), or(s.Waiting, defaultWaiting), s.Patience)
		if s.Inspect == nil {
			s.Inspect = layer.Inspect
		}
	})
}

// Clean removes what an earlier process has left in Dir. Only one process may use it.
func (s *Scanner) Clean() error {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, os.ErrNotExist) {
		return os.MkdirAll(s.Dir, 0o700)
	}
	if err != nil {
		return fmt.Errorf("clean the folder of images: %w", err)
	}
	for _, e := range entries {
		if err := RemoveAll(filepath.Join(s.Dir, e.Name())); err != nil {
			return fmt.Errorf("clean the folder of images: %w", err)
		}
	}
	return nil
}

// RemoveAll removes a folder, also if an image has taken the rights of its folders away.
func RemoveAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// A Place is the right to read an image now. It is for one goroutine.
type Place struct {
	Dir     string // a folder for the caller, which Leave removes
	scanner *Scanner
	token   store.Token
	free    []func()
}

// Enter waits for a place. Its errors are Problems or those of ctx. The caller leaves the
// place.
func (s *Scanner) Enter(ctx context.Context, t store.Token) (*Place, error) {
	s.Defaults()
	p := &Place{scanner: s, token: t}
	leave, err := s.queue.Enter(ctx, t)
	if err != nil {
		return nil, err
	}
	p.free = append(p.free, leave)
	if s.Memory != nil {
		free, err := s.Memory(ctx, t)
		if err != nil {
			p.Leave()
			return nil, err
		}
		p.free = append(p.free, free)
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		p.Leave()
		return nil, fmt.Errorf("make a folder for an image: %w", err)
	}
	if p.Dir, err = os.MkdirTemp(s.Dir, "image-"); err != nil {
		p.Leave()
		return nil, fmt.Errorf("make a folder for an image: %w", err)
	}
	return p, nil
}

// Leave gives the place to the next one, and removes its folder.
func (p *Place) Leave() {
	if p.Dir != "" {
		_ = RemoveAll(p.Dir) // what is left is removed at the next start
	}
	for _, free := range slices.Backward(p.free) {
		free()
	}
	p.free, p.Dir = nil, ""
}

// Scan waits for a place, makes the inventory of an image, evaluates it with the current data
// and the policy of the service, and keeps the scan. Problem returns the answer to its errors.
func (s *Scanner) Scan(ctx context.Context, t store.Token, img layer.Image, o Options) (Scanned, error) {
	if err := o.Check(); err != nil {
		return Scanned{}, err
	}
	p, err := s.Enter(ctx, t)
	if err != nil {
		return Scanned{}, err
	}
	defer p.Leave()
	return p.Scan(ctx, img, o)
}

// Scan is Scanner.Scan in this place.
func (p *Place) Scan(ctx context.Context, img layer.Image, o Options) (Scanned, error) {
	none := func(err error) (Scanned, error) { return Scanned{}, err }
	s := p.scanner
	reading, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	result, err := s.Inspect(reading, p.Dir, img, s.Limits)
	if err != nil {
		if ctx.Err() == nil && reading.Err() != nil {
			err = fmt.Errorf("read the image: %w", &TimeoutError{s.Timeout})
		}
		return none(err)
	}
	sent := cyclonedx.Scan{
		Inventory: result.Inventory, Options: o.given(), Files: o.Files, Modified: result.Modified,
		Image: imageOf(img, result.Layers), Client: s.Client,
	}
	var document bytes.Buffer
	if err := cyclonedx.Encode(&document, sent); err != nil {
		return none(err)
	}
	kept, v, err := s.evaluate(ctx, p.token, document.Bytes(), !o.Discard)
	if err != nil {
		return none(err)
	}
	return Scanned{Scan: kept, Sent: sent, Verdict: v, Layers: result.Layers}, nil
}

// evaluate evaluates a document. The work of reading an image is not lost if the service has
// too much to do for a moment.
func (s *Scanner) evaluate(ctx context.Context, t store.Token, document []byte, keep bool) (store.Scan, verdict.Verdict, error) {
	for deadline := time.Now().Add(s.Patience); ; {
		kept, v, err := s.Evaluate(ctx, t, document, keep)
		p, ok := errors.AsType[httpserver.Problem](err)
		if !ok || p.RetryAfter <= 0 || time.Now().Add(p.RetryAfter).After(deadline) {
			return kept, v, err
		}
		select {
		case <-ctx.Done():
			return kept, v, ctx.Err()
		case <-time.After(p.RetryAfter):
		}
	}
}

// Again evaluates the inventory of a kept scan with the current data. It keeps nothing.
func (s *Scanner) Again(ctx context.Context, t store.Token, kept store.Scan) (Scanned, error) {
	none := func(err error) (Scanned, error) { return Scanned{}, err }
	s.Defaults()
	sent, err := scan.Read(kept.Request)
	if err != nil {
		return none(fmt.Errorf("decode the inventory of scan %q: %w", kept.ID, err))
	}
	now, v, err := s.evaluate(ctx, t, kept.Request, false)
	if err != nil {
		return none(err)
	}
	return Scanned{Scan: now, Sent: sent, Verdict: v, Layers: layersOf(sent.Image)}, nil
}

// imageOf describes an image for its verdict.
func imageOf(img layer.Image, layers []layer.Layer) *verdict.Image {
	v := &verdict.Image{Name: img.Name, Digest: img.Digest, Platform: img.Platform}
	for _, l := range layers {
		v.Layers = append(v.Layers, verdict.ImageLayer{Digest: l.Digest, DiffID: l.DiffID, CreatedBy: l.CreatedBy})
	}
	return v
}

func layersOf(img *verdict.Image) []layer.Layer {
	if img == nil {
		return nil
	}
	var layers []layer.Layer
	for _, l := range img.Layers {
		layers = append(layers, layer.Layer{Digest: l.Digest, DiffID: l.DiffID, CreatedBy: l.CreatedBy})
	}
	return layers
}

// A TimeoutError is returned for an image that takes too long to read.
type TimeoutError struct{ After time.Duration }

func (e *TimeoutError) Error() string { return fmt.Sprintf("not finished after %s", e.After) }

// Problem returns the answer to an error of a source or a Scanner: an httpserver.Problem for
// an image that cannot be fetched or read, and other errors as they are. The status says which
// of them it is:
//
//	400 the name of the image, the platform or an option is invalid
//	403 the address of the registry or of a layer is not allowed
//	404 no such image, platform or layer
//	413 the image or its manifest is too large
//	422 the image is invalid or of a kind that cannot be evaluated
//	424 the registry refuses the credentials, or wants some
//	502 the registry cannot be reached or fails
//	503 too many images, or no space on the disk
//	504 reading the image takes too long
func Problem(err error) error {
	if _, ok := errors.AsType[httpserver.Problem](err); ok {
		return err
	}
	if e, ok := errors.AsType[*source.Error](err); ok {
		return httpserver.Problem{Status: statusOf(e.Kind), What: err.Error(), Hint: cmp.Or(hint.Of(err), e.Hint)}
	}
	if e, ok := errors.AsType[*TimeoutError](err); ok {
		return httpserver.Problem{Status: http.StatusGatewayTimeout, What: e.Error(), Hint: "the registry or the disk is slow, or the image is too large for this service"}
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return httpserver.Problem{Status: http.StatusServiceUnavailable, What: "the service has no space for the image", Hint: "contact its operator", RetryAfter: time.Minute}
	}
	if e, ok := errors.AsType[*layer.Error](err); ok {
		return httpserver.Problem{Status: http.StatusUnprocessableEntity, What: e.Error(), Hint: cmp.Or(hint.Of(err), "push or save the image again; an image that an engine cannot run cannot be evaluated")}
	}
	return err
}

func statusOf(k source.Kind) int {
	switch k {
	case source.Malformed, source.Ambiguous:
		return http.StatusBadRequest
	case source.Refused:
		return http.StatusForbidden
	case source.NotFound:
		return http.StatusNotFound
	case source.TooLarge:
		return http.StatusRequestEntityTooLarge
	case source.Invalid, source.Unsupported:
		return http.StatusUnprocessableEntity
	case source.Unauthorized:
		return http.StatusFailedDependency
	}
	return http.StatusBadGateway
}
