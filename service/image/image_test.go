package image_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/httpserver"
	"assay/service/image"
	"assay/service/layer"
	"assay/service/layer/source"
	"assay/service/store"
	"assay/verdict"
)

// evaluated is an Evaluate that answers with the image of the document.
func evaluated(t *testing.T) image.Evaluate {
	return func(_ context.Context, tok store.Token, document []byte, keep bool) (store.Scan, verdict.Verdict, error) {
		s, err := cyclonedx.Decode(bytes.NewReader(document), cyclonedx.DefaultLimits())
		if err != nil {
			t.Error(err)
		}
		kept := store.Scan{Token: tok.ID, Request: document}
		if keep {
			kept.ID = "kept"
		}
		return kept, verdict.Verdict{Image: s.Image, Options: verdict.Options{Project: s.Option("project"), FailOn: verdict.Severity(s.Option("fail-on"))}}, nil
	}
}

// inspected is an Inspect that returns one package for each layer.
func inspected(_ context.Context, dir string, img layer.Image, _ layer.Limits) (layer.Result, error) {
	if _, err := os.Stat(dir); err != nil {
		return layer.Result{}, err
	}
	var r layer.Result
	for _, l := range img.Layers {
		r.Layers = append(r.Layers, layer.Layer{Digest: l.Digest, DiffID: l.DiffID, CreatedBy: l.CreatedBy, Bytes: 1})
		r.Inventory.Packages = append(r.Inventory.Packages, inventory.Package{Type: "npm", Name: "p" + l.DiffID, Version: "1"})
	}
	return r, nil
}

var shop = layer.Image{Name: "shop:1", Digest: "sha256:m", Platform: "linux/amd64", Layers: []layer.Blob{
	{Digest: "sha256:a", DiffID: "sha256:b", CreatedBy: "RUN make"}, {Digest: "sha256:c", DiffID: "sha256:d"},
}}

func TestScan(t *testing.T) {
	s := &image.Scanner{Dir: filepath.Join(t.TempDir(), "images"), Evaluate: evaluated(t), Inspect: inspected, Client: "assayd 1"}
	got, err := s.Scan(t.Context(), store.Token{ID: "t"}, shop, image.Options{Project: "web", Options: map[string]string{"fail-on": "critical"}})
	if err != nil {
		t.Fatal(err)
	}
	want := verdict.Image{Name: "shop:1", Digest: "sha256:m", Platform: "linux/amd64", Layers: []verdict.ImageLayer{
		{Digest: "sha256:a", DiffID: "sha256:b", CreatedBy: "RUN make"}, {Digest: "sha256:c", DiffID: "sha256:d"},
	}}
	if fmt.Sprint(*got.Verdict.Image) != fmt.Sprint(want) || got.Scan.ID != "kept" || got.Scan.Token != "t" || len(got.Layers) != 2 {
		t.Errorf("%+v", got)
	}
	if o := got.Verdict.Options; o.Project != "web" || o.FailOn != verdict.Critical {
		t.Errorf("options %+v", o)
	}
	again, err := s.Again(t.Context(), store.Token{ID: "t"}, got.Scan)
	if err != nil {
		t.Fatal(err)
	}
	if again.Scan.ID != "" || fmt.Sprint(*again.Verdict.Image) != fmt.Sprint(want) || len(again.Layers) != 2 || len(again.Sent.Inventory.Packages) != 2 {
		t.Errorf("%+v", again)
	}
	if left, err := os.ReadDir(s.Dir); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		o    image.Options
		says string
	}{
		{image.Options{Options: map[string]string{"fail-on": "critical", "strict": "true"}, Ref: "main"}, ""},
		{image.Options{Options: map[string]string{"failon": "critical"}}, `unknown option "failon"`},
		{image.Options{Options: map[string]string{"fail-on": "bad"}}, `invalid value "bad" of option "fail-on"`},
		{image.Options{Project: "\n"}, "invalid value"},
	} {
		s := &image.Scanner{Dir: t.TempDir(), Evaluate: evaluated(t), Inspect: inspected}
		_, err := s.Scan(t.Context(), store.Token{}, shop, tt.o)
		p, ok := errors.AsType[httpserver.Problem](err)
		if tt.says == "" && err != nil || tt.says != "" && (!ok || p.Status != http.StatusBadRequest || !strings.Contains(p.What, tt.says)) {
			t.Errorf("%+v: %v", tt.o, err)
		}
	}
}

// TestQueue: few images are read at once, the images of one token leave room for others, and
// one that waits too long is refused with the time to try again.
func TestQueue(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most := 0, 0
		release := make(chan struct{})
		s := &image.Scanner{Dir: dir, Evaluate: evaluated(t), AtOnce: 2, Waiting: 4, Patience: time.Minute,
			Inspect: func(ctx context.Context, dir string, img layer.Image, l layer.Limits) (layer.Result, error) {
				mu.Lock()
				running++
				most = max(most, running)
				mu.Unlock()
				<-release
				mu.Lock()
				running--
				mu.Unlock()
				return inspected(ctx, dir, img, l)
			}}
		errs := make([]error, 6)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = s.Scan(t.Context(), store.Token{ID: fmt.Sprint("t", i)}, shop, image.Options{})
			})
			synctest.Wait()
		}
		mu.Lock()
		if running != 2 {
			t.Errorf("%d are read", running)
		}
		mu.Unlock()
		_, err := s.Scan(t.Context(), store.Token{ID: "late"}, shop, image.Options{})
		if p, ok := errors.AsType[httpserver.Problem](err); !ok || p.Status != http.StatusServiceUnavailable || p.RetryAfter <= 0 {
			t.Errorf("with a full queue: %v", err)
		}
		time.Sleep(2 * time.Minute)
		close(release)
		wg.Wait()
		refused := 0
		for _, err := range errs {
			if p, ok := errors.AsType[httpserver.Problem](err); ok && p.Status == http.StatusServiceUnavailable {
				refused++
			} else if err != nil {
				t.Error(err)
			}
		}
		if refused != 4 || most != 2 {
			t.Errorf("%d were refused, %d were read at once", refused, most)
		}
	})
}

// TestBusyEvaluation: an image that was read is not lost because the service is busy.
func TestBusyEvaluation(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		s := &image.Scanner{Dir: dir, Inspect: inspected, Evaluate: func(ctx context.Context, tok store.Token, d []byte, keep bool) (store.Scan, verdict.Verdict, error) {
			if calls++; calls < 3 {
				return store.Scan{}, verdict.Verdict{}, httpserver.Problem{Status: 503, RetryAfter: 5 * time.Second}
			}
			return evaluated(t)(ctx, tok, d, keep)
		}}
		if _, err := s.Scan(t.Context(), store.Token{}, shop, image.Options{}); err != nil || calls != 3 {
			t.Errorf("%v after %d calls", err, calls)
		}
	})
}

func TestTimeout(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &image.Scanner{Dir: dir, Evaluate: evaluated(t), Timeout: time.Minute,
			Inspect: func(ctx context.Context, _ string, _ layer.Image, _ layer.Limits) (layer.Result, error) {
				<-ctx.Done()
				return layer.Result{}, ctx.Err()
			}}
		_, err := s.Scan(t.Context(), store.Token{}, shop, image.Options{})
		if p, ok := errors.AsType[httpserver.Problem](image.Problem(err)); !ok || p.Status != http.StatusGatewayTimeout {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Scan(ctx, store.Token{}, shop, image.Options{}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestClean(t *testing.T) {
	s := &image.Scanner{Dir: filepath.Join(t.TempDir(), "images")}
	if err := s.Clean(); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(s.Dir, "image-1", "tree", "locked")
	if err := os.MkdirAll(locked, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(locked, "f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(locked, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Clean(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(s.Dir); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func TestProblem(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
	}{
		{&source.Error{Kind: source.Unauthorized, Err: errors.New("x"), Hint: "h"}, http.StatusFailedDependency},
		{fmt.Errorf("read: %w", &layer.Error{Layer: 1, Err: &source.Error{Kind: source.NotFound, Err: errors.New("x")}}), http.StatusNotFound},
		{&source.Error{Kind: source.Refused, Err: errors.New("x")}, http.StatusForbidden},
		{&source.Error{Kind: source.Unreachable, Err: errors.New("x")}, http.StatusBadGateway},
		{&source.Error{Kind: source.Unsupported, Err: errors.New("x")}, http.StatusUnprocessableEntity},
		{&source.Error{Kind: source.Invalid, Err: errors.New("x")}, http.StatusUnprocessableEntity},
		{&source.Error{Kind: source.Malformed, Err: errors.New("x")}, http.StatusBadRequest},
		{&source.Error{Kind: source.Ambiguous, Err: errors.New("x")}, http.StatusBadRequest},
		{&source.Error{Kind: source.TooLarge, Err: errors.New("x")}, http.StatusRequestEntityTooLarge},
		{fmt.Errorf("read: %w", &layer.Error{Layer: 1, Err: errors.New("no tar archive")}), http.StatusUnprocessableEntity},
		{&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, http.StatusServiceUnavailable},
		{httpserver.Problem{Status: 418}, 418},
		{errors.New("x"), 0},
	} {
		p, _ := errors.AsType[httpserver.Problem](image.Problem(tt.err))
		if p.Status != tt.status {
			t.Errorf("%v: status %d, want %d", tt.err, p.Status, tt.status)
		}
	}
}
