// Package registry makes the image that BuildKit runs to scan a build: assay for each
// platform, with a token in the environment of the image. It implements the OCI image
// specification 1.1; package api serves the image.
//
// The same clients and the same token always give the same bytes, so that every replica
// of the service serves the same digests.
package registry

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Media types of the OCI image specification.
const (
	TypeIndex    = "application/vnd.oci.image.index.v1+json"
	TypeManifest = "application/vnd.oci.image.manifest.v1+json"
	TypeConfig   = "application/vnd.oci.image.config.v1+json"
	TypeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// An Object is what a registry serves under a digest.
type Object struct {
	MediaType string
	Digest    string // "sha256:…"
	Bytes     []byte
}

func newObject(mediaType string, b []byte) Object {
	return Object{mediaType, digest(b), b}
}

func digest(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

// An Image is the generator image without a token. It is safe for concurrent use.
type Image struct {
	arches []string // sorted, so that an index is always the same
	layers map[string]*layer
}

// New returns the image of the clients, which are programs by architecture
// ("amd64").
func New(clients map[string][]byte) *Image {
	im := &Image{layers: make(map[string]*layer, len(clients))}
	im.arches = slices.Sorted(maps.Keys(clients))
	for arch, program := range clients {
		im.layers[arch] = &layer{program: program}
	}
	return im
}

// Empty reports whether the image has no platform.
func (im *Image) Empty() bool { return len(im.arches) == 0 }

// A layer has one client. It is compressed when it is first requested.
type layer struct {
	program []byte
	once    sync.Once
	blob    Object
	diffID  string // digest of the layer before compression
	err     error
}

func (l *layer) make() error {
	l.once.Do(func() {
		var plain, packed bytes.Buffer
		w := tar.NewWriter(&plain)
		// No time and no owner, so that equal clients give equal layers.
		err := w.WriteHeader(&tar.Header{Name: "assay", Mode: 0o755, Size: int64(len(l.program)), Format: tar.FormatUSTAR})
		if err == nil {
			_, err = w.Write(l.program)
		}
		if err == nil {
			err = w.Close()
		}
		if err == nil {
			l.diffID = digest(plain.Bytes())
			z := gzip.NewWriter(&packed)
			if _, err = z.Write(plain.Bytes()); err == nil {
				err = z.Close()
			}
		}
		l.blob, l.err = newObject(TypeLayer, packed.Bytes()), err
	})
	return l.err
}

// A Set is the image with one token in it.
type Set struct {
	Index     Object
	manifests []Object
	blobs     []Object
}

// Manifest returns the index or the manifest of one platform by its digest.
func (s Set) Manifest(digest string) (Object, bool) {
	return find(append([]Object{s.Index}, s.manifests...), digest)
}

// Blob returns a config or a layer by its digest.
func (s Set) Blob(digest string) (Object, bool) { return find(s.blobs, digest) }

func find(objects []Object, digest string) (Object, bool) {
	i := slices.IndexFunc(objects, func(o Object) bool { return o.Digest == digest })
	if i < 0 {
		return Object{}, false
	}
	return objects[i], true
}

type descriptor struct {
	MediaType string    `json:"mediaType"`
	Digest    string    `json:"digest"`
	Size      int       `json:"size"`
	Platform  *platform `json:"platform,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

func describe(o Object) descriptor {
	return descriptor{MediaType: o.MediaType, Digest: o.Digest, Size: len(o.Bytes)}
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type imageConfig struct {
	platform
	Config execution `json:"config"`
	RootFS rootFS    `json:"rootfs"`
}

type execution struct {
	Env        []string
	Entrypoint []string
	WorkingDir string
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

// With returns the image with a token in the environment of its process. BuildKit prints
// the arguments of a process, but not its environment.
func (im *Image) With(token string) (Set, error) {
	var set Set
	all := index{SchemaVersion: 2, MediaType: TypeIndex}
	for _, arch := range im.arches {
		l := im.layers[arch]
		if err := l.make(); err != nil {
			return Set{}, fmt.Errorf("make the layer for %q: %w", arch, err)
		}
		on := platform{Architecture: arch, OS: "linux"}
		config, err := object(TypeConfig, imageConfig{
			platform: on,
			Config: execution{
				Env:        []string{"ASSAY_TOKEN=" + token},
				Entrypoint: []string{"/assay", "buildkit"},
				WorkingDir: "/",
			},
			RootFS: rootFS{Type: "layers", DiffIDs: []string{l.diffID}},
		})
		if err != nil {
			return Set{}, err
		}
		m, err := object(TypeManifest, manifest{
			SchemaVersion: 2, MediaType: TypeManifest,
			Config: describe(config), Layers: []descriptor{describe(l.blob)},
		})
		if err != nil {
			return Set{}, err
		}
		set.blobs = append(set.blobs, config, l.blob)
		set.manifests = append(set.manifests, m)
		d := describe(m)
		d.Platform = &on
		all.Manifests = append(all.Manifests, d)
	}
	var err error
	set.Index, err = object(TypeIndex, all)
	return set, err
}

func object(mediaType string, v any) (Object, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return Object{}, fmt.Errorf("encode %q: %w", mediaType, err)
	}
	return newObject(mediaType, b), nil
}
