package api

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"assay/remote/slot"
)

// Clients are the binaries of assay that the service serves, by architecture,
// with their slot filled in.
type Clients map[string]Client

// A Client is one binary, ready to be served.
type Client struct {
	bytes []byte
	etag  string
}

// LoadClients reads the binaries of a folder, linux/<arch>/assay for each
// architecture and assay for the service's own, and fills their slots with p.
// A folder without any gives an empty Clients.
func LoadClients(dir string, p slot.Payload) (Clients, error) {
	found := map[string]string{}
	if path := filepath.Join(dir, "assay"); isFile(path) {
		found[runtime.GOARCH] = path
	}
	arches, err := os.ReadDir(filepath.Join(dir, "linux"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the clients: %w", err)
	}
	for _, arch := range arches {
		if path := filepath.Join(dir, "linux", arch.Name(), "assay"); isFile(path) {
			found[arch.Name()] = path
		}
	}
	clients := Clients{}
	for arch, path := range found {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read client: %w", err)
		}
		if b, err = slot.Fill(b, p); err != nil {
			return nil, fmt.Errorf("fill the slot of %q: %w", path, err)
		}
		clients[arch] = Client{b, fmt.Sprintf(`"%x"`, sha256.Sum256(b))}
	}
	return clients, nil
}

func isFile(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}

// getClient serves a binary. No Last-Modified is sent: replicas start at
// different times, and a builder takes another date for another file.
func (a *api) getClient(w http.ResponseWriter, r *http.Request) {
	arch := r.PathValue("arch")
	if arch == "" {
		arch = runtime.GOARCH
	}
	c, ok := a.Clients[arch]
	if !ok {
		a.refuse(w, r, problem{http.StatusNotFound, fmt.Sprintf("no client for linux/%s", arch),
			"start assayd with --clients and the folder that holds assay or linux/<arch>/assay"})
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("ETag", c.etag)
	h.Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(c.bytes))
}
