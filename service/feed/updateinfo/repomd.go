package updateinfo

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"strings"

	"assay/service/feed"
)

const (
	repomdFile = "repodata/repomd.xml" // in a repository
	maxRepomd  = 1 << 20               // bytes; genuine files have a few KiB
)

// Exists reports whether a folder of a mirror has a repository.
func Exists(ctx context.Context, m feed.Mirror, folder string) (bool, error) {
	_, _, err := m.Get(ctx, folder+repomdFile, maxRepomd, feed.Version{})
	if errors.Is(err, feed.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// errNoUpdateinfo is about a repository without errata.
var errNoUpdateinfo = errors.New("repomd.xml names no updateinfo.xml")

// A file is what repomd.xml says about updateinfo.xml.
type file struct {
	Href     string `json:"href"` // below the repository
	Type     string `json:"type"` // of the checksum
	Checksum string `json:"checksum"`
	Size     int64  `json:"size,omitempty"` // bytes; zero: not stated
}

// parseRepomd returns what a repomd.xml says about updateinfo.xml.
func parseRepomd(b []byte) (file, error) {
	d := newDecoder(bytes.NewReader(b), maxRepomd)
	if err := d.root("repomd"); err != nil {
		return file{}, err
	}
	var found []file
	for {
		start, ok, err := d.child()
		if err != nil {
			return file{}, err
		}
		if !ok {
			break
		}
		if start.Name.Local != "data" || attribute(start, "type") != "updateinfo" {
			if err := d.Skip(); err != nil {
				return file{}, err
			}
			continue
		}
		f, err := d.data(start)
		if err != nil {
			return file{}, err
		}
		found = append(found, f)
	}
	if err := d.end(); err != nil {
		return file{}, err
	}
	switch len(found) {
	case 0:
		return file{}, errNoUpdateinfo
	case 1:
		return found[0], found[0].check()
	}
	return file{}, errors.New("repomd.xml names updateinfo.xml more than once")
}

// data reads the element data.
func (d decoder) data(start xml.StartElement) (file, error) {
	var e struct {
		Checksum struct {
			Type string `xml:"type,attr"`
			Sum  string `xml:",chardata"`
		} `xml:"checksum"`
		Location struct {
			Href string `xml:"href,attr"`
		} `xml:"location"`
		Size int64 `xml:"size"`
	}
	if err := d.DecodeElement(&e, &start); err != nil {
		return file{}, err
	}
	return file{e.Location.Href, e.Checksum.Type, strings.ToLower(strings.TrimSpace(e.Checksum.Sum)), e.Size}, nil
}

// check checks that the file is in the repository and has a checksum.
func (f file) check() error {
	switch {
	case !strings.HasPrefix(f.Href, "repodata/") || path.Clean(f.Href) != f.Href || strings.ContainsAny(f.Href, "?#%\\"):
		return fmt.Errorf("invalid path of updateinfo.xml: %.100q", f.Href)
	case f.hash() == nil:
		return fmt.Errorf("unsupported checksum type %.20q", f.Type)
	case len(f.Checksum) != hex.EncodedLen(f.hash().Size()):
		return fmt.Errorf("invalid checksum %.150q", f.Checksum)
	case f.Size < 0 || f.Size > maxUpdateinfo:
		return fmt.Errorf("updateinfo.xml has %d bytes, more than %d", f.Size, int64(maxUpdateinfo))
	}
	return nil
}

// hash returns the hash of the checksum, or nil if it is not supported. Old repositories
// have SHA-1, which shows whether a download is complete. Nothing here shows who published
// it: repomd.xml comes from the same server.
func (f file) hash() hash.Hash {
	switch f.Type {
	case "sha", "sha1":
		return sha1.New()
	case "sha256":
		return sha256.New()
	case "sha512":
		return sha512.New()
	}
	return nil
}

// verify compares a downloaded file with its size and checksum.
func (f file) verify(path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	sum := f.hash()
	n, err := io.Copy(sum, in)
	if err != nil {
		return err
	}
	if f.Size != 0 && n != f.Size {
		return fmt.Errorf("%q has %d bytes, and %d by repomd.xml", f.Href, n, f.Size)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.Checksum {
		return fmt.Errorf("%q has the checksum %s, and %s by repomd.xml", f.Href, got, f.Checksum)
	}
	return nil
}
