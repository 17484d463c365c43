// Package image evaluates finished images: it makes the inventory of an image from its
// layers, and evaluates it like one that assay sent from inside a build.
package image

import (
	"context"
	"errors"

	"assay/remote/cyclonedx"
	"assay/service/layer"
	"assay/service/store"
	"assay/verdict"
)

// Options are the options of a scan.
type Options struct {
	Project, Ref, Commit string
	// Options are further options of assay by name, such as "fail-on".
	Options map[string]string
}

// A Scanned is an image that was evaluated.
type Scanned struct {
	Scan    store.Scan // as kept, with the inventory as Request
	Sent    cyclonedx.Scan
	Verdict verdict.Verdict
	Layers  []layer.Layer
}

// Evaluate evaluates a CycloneDX document for a token. If keep is set, it stores the scan.
type Evaluate func(ctx context.Context, t store.Token, document []byte, keep bool) (store.Scan, verdict.Verdict, error)

// A Scanner evaluates images.
type Scanner struct {
	Dir      string // for the files of images while they are read
	Limits   layer.Limits
	Evaluate Evaluate
}

// Scan makes the inventory of an image, evaluates it with the current data and the policy of
// the service, and keeps the scan.
func (s *Scanner) Scan(ctx context.Context, t store.Token, img layer.Image, o Options) (Scanned, error) {
	return Scanned{}, errors.New("not implemented")
}

// Again evaluates the inventory of a kept scan with the current data. It keeps nothing.
func (s *Scanner) Again(ctx context.Context, t store.Token, kept store.Scan) (Scanned, error) {
	return Scanned{}, errors.New("not implemented")
}
