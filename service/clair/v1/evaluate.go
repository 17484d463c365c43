package v1

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"assay/service/httpserver"
	"assay/service/image"
	layers "assay/service/layer"
	"assay/service/store"
	"assay/verdict"
)

// An evaluation is a kept scan of an image with the verdict of the current data.
type evaluation struct {
	scanned image.Scanned
	// names are the names of the layers by their DiffIDs.
	names map[string]string
	// order are the DiffIDs, the lowest first.
	order []string
}

// kept is the body of the record of an evaluation.
type kept struct {
	// Digest is that of the manifest of an image.
	Digest string `json:"digest,omitempty"`
	// DiffIDs are those of the layers, the lowest first.
	DiffIDs []string `json:"diff_ids,omitempty"`
	// Status is that of the answer if the image could not be evaluated.
	Status int `json:"status,omitempty"`
}

// stackKey identifies what the layers of a stack contain.
func stackKey(stack []posted) string {
	sum := sha256.New()
	for _, l := range stack {
		sum.Write([]byte(l.Digest + "\n"))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// evaluated returns the evaluation of a stack with the current data. The layers are read if
// that was not done before.
func (h *Service) evaluated(ctx context.Context, t store.Token, stack []posted) (evaluation, error) {
	none := evaluation{}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	key := stackKey(stack)
	for waited := false; ; waited = true {
		rec, err := h.Records.Get(ctx, stackKind, t.Project, key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return none, tooLong(err)
		}
		switch {
		case err == nil && rec.State == image.Finished:
			found, gone, err := h.now(ctx, t, rec)
			if !gone {
				return found.named(stack), err
			}
		case err == nil && rec.State == image.Failed && waited: // it is what this request waited for
			return none, failureOf(rec)
		}
		if rec.State != image.Running {
			started, err := h.start(ctx, t, image.Record{Kind: stackKind, Project: t.Project, Key: key}, kept{}, func(ctx context.Context) (layers.Image, func(), error) {
				blobs, release, err := h.blobs(ctx, t, stack)
				return layers.Image{Name: stack[len(stack)-1].Name, Layers: blobs}, release, err
			})
			if err != nil && !errors.Is(err, image.ErrRunning) {
				return none, err
			}
			if err == nil {
				select {
				case <-started:
				case <-ctx.Done():
				}
				continue
			}
		}
		if err := sleep(ctx, pollTime); err != nil {
			return none, tooLong(err)
		}
	}
}

// tooLong is the error of a request that waited for an evaluation.
func tooLong(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return httpserver.Problem{Status: http.StatusServiceUnavailable, What: "the image is still being evaluated", Hint: "ask again", RetryAfter: time.Minute}
	}
	return err
}

// named adds the names of the layers.
func (e evaluation) named(stack []posted) evaluation {
	if len(e.order) != len(stack) {
		return e
	}
	e.names = make(map[string]string, len(stack))
	for i, id := range e.order {
		if e.names[id] == "" { // the lowest of equal layers
			e.names[id] = stack[i].Name
		}
	}
	return e
}

// start begins to evaluate an image. The channel is closed at the end, when the record says how
// it ended. The error wraps image.ErrRunning if that is already done.
func (h *Service) start(ctx context.Context, t store.Token, rec image.Record, body kept, open func(context.Context) (layers.Image, func(), error)) (<-chan struct{}, error) {
	var err error
	if rec.Body, err = json.Marshal(body); err != nil {
		return nil, err
	}
	work, err := h.Records.Start(ctx, rec)
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	h.work.Go(func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(h.ctx, answerTime)
		defer cancel()
		scanned, err := h.read(ctx, t, open)
		after, end := context.WithTimeout(context.WithoutCancel(ctx), endTime)
		defer end()
		if err == nil {
			for _, l := range scanned.Layers {
				body.DiffIDs = append(body.DiffIDs, l.DiffID)
			}
			err = work.Finish(after, scanned.Scan.ID, encode(body))
		} else {
			p := h.failure(err)
			body.Status = p.Status
			err = work.Fail(after, errors.New(textOf(p)), encode(body))
		}
		if err != nil && !errors.Is(err, image.ErrReplaced) {
			h.Log.Error("the evaluation of an image could not be recorded", "err", err)
		}
	})
	return done, nil
}

// read evaluates an image, and keeps the scan.
func (h *Service) read(ctx context.Context, t store.Token, open func(context.Context) (layers.Image, func(), error)) (image.Scanned, error) {
	img, release, err := open(ctx)
	if err != nil {
		return image.Scanned{}, err
	}
	defer release()
	scanned, err := h.Scanner.Scan(ctx, t, img, image.Options{Project: t.Project})
	if err == nil && scanned.Scan.ID == "" {
		err = errors.New("the scan was not kept")
	}
	return scanned, err
}

func encode(body kept) json.RawMessage {
	text, err := json.Marshal(body)
	if err != nil { // a mistake in this program
		return nil
	}
	return text
}

// failure returns how an error is answered. One that is not the image's fault is logged.
func (h *Service) failure(err error) httpserver.Problem {
	if p, ok := errors.AsType[httpserver.Problem](image.Problem(err)); ok {
		return p
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return httpserver.Problem{Status: http.StatusUnprocessableEntity, What: fmt.Sprintf("the image was not evaluated within %s", answerTime)}
	}
	if h.ctx.Err() != nil {
		return httpserver.Problem{Status: http.StatusServiceUnavailable, What: "the service stopped while it read the image", Hint: "try again"}
	}
	h.Log.Error("an image could not be evaluated", "err", err)
	return httpserver.Problem{Status: http.StatusInternalServerError, What: "the image could not be evaluated", Hint: "the log of the service says why"}
}

// failureOf is the error of a failed record.
func failureOf(rec image.Record) error {
	var body kept
	status := http.StatusInternalServerError
	if json.Unmarshal(rec.Body, &body) == nil && body.Status >= 400 {
		status = body.Status
	}
	return httpserver.Problem{Status: status, What: rec.Cause}
}

// now evaluates a finished record with the current data. gone: its scan is not kept any more.
func (h *Service) now(ctx context.Context, t store.Token, rec image.Record) (e evaluation, gone bool, err error) {
	var body kept
	if err := json.Unmarshal(rec.Body, &body); err != nil {
		return e, false, fmt.Errorf("read the record of %q: %w", rec.Key, err)
	}
	s, err := h.Store.Scan(ctx, rec.Scan)
	if errors.Is(err, store.ErrNotFound) {
		return e, true, nil
	}
	if err != nil {
		return e, false, err
	}
	e.order = body.DiffIDs
	if e.scanned, err = h.Scanner.Again(ctx, t, s); err != nil {
		return e, false, err
	}
	e.scanned.Scan.ID = s.ID // for the log
	return e, false, trusted(e.scanned.Verdict)
}

// trusted returns an error if a verdict says nothing about the image.
func trusted(v verdict.Verdict) error {
	if v.Decision.Outcome != verdict.Untrusted || len(v.Decision.Reasons) == 0 {
		if err := v.Check(); err != nil {
			return fmt.Errorf("the verdict contradicts itself: %w", err)
		}
		return nil
	}
	status := http.StatusUnprocessableEntity
	var causes []string
	for i, reason := range v.Decision.Reasons {
		if i == 0 && reason.Rule == verdict.RuleTooOld {
			status = http.StatusInternalServerError // it may be evaluated after an update
		}
		causes = append(causes, reason.Text)
	}
	return httpserver.Problem{Status: status, What: "the image could not be evaluated: " + strings.Join(causes, "; "), Hint: v.Decision.Reasons[0].Hint}
}
