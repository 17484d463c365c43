package api

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"assay/remote/slot"
)

// A ClientsConfig configures which binaries of assay are served and what is written
// into them.
type ClientsConfig struct {
	// Dir has linux/<arch>/assay for each architecture, or assay for that of the
	// service, and optionally install.sh.
	Dir string
	// Slot has the address of the service and its CA. Its Fresh is ignored.
	Slot slot.Payload
	// Fresh is how long a served binary stays the same, in whole seconds; 0 for ever.
	Fresh time.Duration
	// Version is the version of the binaries. Their addresses contain it.
	Version string
}

// Clients are the binaries that the service serves, by architecture, and the
// script that installs them. The zero value serves none.
type Clients struct {
	arches  map[string]*client
	fresh   time.Duration
	version string
	install file
}

// A client is one binary with a filled slot.
type client struct {
	pinned file // without a bucket: it never changes
	slot   slot.Payload

	mu     sync.Mutex
	bucket string
	fresh  file // with that bucket in its slot
}

// A file has the bytes that are served at one address, and their SHA-256 in hexadecimal.
type file struct {
	bytes  []byte
	digest string
}

func newFile(b []byte) file { return file{b, fmt.Sprintf("%x", sha256.Sum256(b))} }

// LoadClients reads the files of a folder and fills the slots. For a folder without
// clients, the result serves none.
func LoadClients(c ClientsConfig) (*Clients, error) {
	if c.Fresh < 0 || c.Fresh%time.Second != 0 {
		return nil, fmt.Errorf("invalid interval %v: served binaries change after whole seconds", c.Fresh)
	}
	version := strings.TrimPrefix(c.Version, "v")
	if !regexp.MustCompile(`^[0-9A-Za-z._+~-]+$`).MatchString(version) {
		return nil, fmt.Errorf("version %q has characters that are invalid in an address", c.Version)
	}
	out := &Clients{arches: map[string]*client{}, fresh: c.Fresh, version: version}
	releases, err := Releases(c.Dir)
	if err != nil {
		return nil, err
	}
	for arch, path := range releases {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read client: %w", err)
		}
		cl := &client{slot: c.Slot}
		cl.slot.Fresh = ""
		if b, err = slot.Fill(b, cl.slot); err != nil {
			return nil, fmt.Errorf("fill the slot of %q: %w", path, err)
		}
		cl.pinned = newFile(b)
		// All buckets have the same length: if this one fits, all will.
		if _, err := cl.of(bucket(time.Unix(0, 0), c.Fresh)); err != nil {
			return nil, fmt.Errorf("fill the slot of %q: %w", path, err)
		}
		out.arches[arch] = cl
	}
	script, err := os.ReadFile(filepath.Join(c.Dir, "install.sh"))
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the installer: %w", err)
	}
	if script, err = addressed(script, c.Slot.Server); err != nil {
		return nil, fmt.Errorf("write the address into %q: %w", filepath.Join(c.Dir, "install.sh"), err)
	}
	out.install = newFile(script)
	return out, nil
}

// Releases returns the paths of the binaries in a folder by architecture:
// linux/<arch>/assay, and assay for the architecture of this program if the folder has
// no other one for it.
func Releases(dir string) (map[string]string, error) {
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
	return found, nil
}

func isFile(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}

// Arches returns the served architectures, sorted.
func (c *Clients) Arches() []string { return slices.Sorted(maps.Keys(c.arches)) }

// pinned returns the clients without a bucket, by architecture.
func (c *Clients) pinned() map[string][]byte {
	programs := make(map[string][]byte, len(c.arches))
	for arch, cl := range c.arches {
		programs[arch] = cl.pinned.bytes
	}
	return programs
}

// HasInstaller reports whether install.sh is served.
func (c *Clients) HasInstaller() bool { return c.install.bytes != nil }

// of returns the binary of a bucket, or the pinned one for an empty bucket.
func (c *client) of(bucket string) (file, error) {
	if bucket == "" {
		return c.pinned, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bucket != bucket {
		p := c.slot
		p.Fresh = bucket
		b, err := slot.Fill(c.pinned.bytes, p)
		if err != nil {
			return file{}, err
		}
		c.fresh, c.bucket = newFile(b), bucket
	}
	return c.fresh, nil
}

// bucket returns the beginning, in UTC, of the span of time that now is in. It depends on
// nothing else, so that all replicas serve the same bytes.
func bucket(now time.Time, fresh time.Duration) string {
	if fresh <= 0 {
		return ""
	}
	span, at := int64(fresh/time.Second), now.Unix()
	return time.Unix(at-at%span, 0).UTC().Format(time.RFC3339)
}

// addressed writes the address of the service into the installer, escaped for single
// quotes of a shell.
func addressed(script []byte, server string) ([]byte, error) {
	const placeholder = "@ASSAYD_URL@"
	if n := bytes.Count(script, []byte(placeholder)); n != 1 {
		return nil, fmt.Errorf("it contains %s %d times, not once", placeholder, n)
	}
	quoted := strings.ReplaceAll(server, "'", `'\''`)
	return bytes.Replace(script, []byte(placeholder), []byte(quoted), 1), nil
}
