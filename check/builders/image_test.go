package builders

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A layout is an image in a folder, as the OCI image layout has it.
type layout struct {
	dir    string
	digest string // of its manifest
}

// file is the name of an image as that of a file.
func file(image string) string { return strings.NewReplacer("/", "-", ":", "-").Replace(image) }

// newLayout makes an image of one layer, an archive of files, in the folder dir.
func newLayout(t *testing.T, dir, archive string) layout {
	t.Helper()
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		t.Fatal(err)
	}
	type descriptor struct {
		MediaType string `json:"mediaType"`
		Digest    string `json:"digest"`
		Size      int64  `json:"size"`
	}
	blob := func(mediaType string, r io.Reader) descriptor {
		t.Helper()
		f, err := os.CreateTemp(blobs, "blob")
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		size, err := io.Copy(io.MultiWriter(f, sum), r)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		digest := fmt.Sprintf("%x", sum.Sum(nil))
		if err := os.Rename(f.Name(), filepath.Join(blobs, digest)); err != nil {
			t.Fatal(err)
		}
		return descriptor{mediaType, "sha256:" + digest, size}
	}
	object := func(mediaType string, v any) descriptor {
		t.Helper()
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return blob(mediaType, bytes.NewReader(b))
	}

	files, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	layer := blob("application/vnd.oci.image.layer.v1.tar", files)
	config := object("application/vnd.oci.image.config.v1+json", map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{layer.Digest}},
		"history": []map[string]string{{"created_by": "tar"}}, // podman counts its entries
	})
	manifest := object("application/vnd.oci.image.manifest.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": config, "layers": []descriptor{layer},
	})
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []descriptor{manifest}})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`), "index.json": index} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return layout{dir, manifest.Digest}
}

// unpacked returns the files of an archive, those that gzip packed unpacked.
func unpacked(t *testing.T, path string) map[string][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string][]byte{}
	for archive := tar.NewReader(f); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, h.Size) // an image of some hundred megabytes, held once
		if _, err := io.ReadFull(archive, b); err != nil {
			t.Fatal(err)
		}
		if packed, err := gzip.NewReader(bytes.NewReader(b)); err == nil {
			if b, err = io.ReadAll(packed); err != nil {
				t.Fatal(err)
			}
		}
		files[h.Name] = b
	}
}

// layers returns the files that each layer of an image adds or changes, the
// lowest layer first. image is what a builder's image returns.
func layers(t *testing.T, image map[string][]byte) [][]*tar.Header {
	t.Helper()
	var names []string
	if b, ok := image["manifest.json"]; ok { // as docker saves it
		var manifests []struct{ Layers []string }
		if err := json.Unmarshal(b, &manifests); err != nil {
			t.Fatal(err)
		}
		names = manifests[0].Layers
	} else {
		names = ociLayers(t, image, "index.json")
	}
	var all [][]*tar.Header
	for _, name := range names {
		var headers []*tar.Header
		for layer := tar.NewReader(bytes.NewReader(image[name])); ; {
			h, err := layer.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("layer %s: %v", name, err)
			}
			headers = append(headers, h)
		}
		all = append(all, headers)
	}
	return all
}

// ociLayers returns the layers of the first image that an index leads to.
func ociLayers(t *testing.T, image map[string][]byte, name string) []string {
	t.Helper()
	type descriptor struct{ Digest string }
	var node struct{ Manifests, Layers []descriptor }
	if err := json.Unmarshal(image[name], &node); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	blob := func(d descriptor) string { return "blobs/sha256/" + d.Digest[len("sha256:"):] }
	if len(node.Manifests) > 0 {
		return ociLayers(t, image, blob(node.Manifests[0]))
	}
	var names []string
	for _, d := range node.Layers {
		names = append(names, blob(d))
	}
	return names
}
