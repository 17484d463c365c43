// Package links makes links to the reports of scans. Who has a link can read the report
// without a token, until the link ends.
//
// The secret part of a link is the time when it ends, and a message authentication code of
// the scan and that time. All processes of a service share the key, which is in the store.
// Nothing else is stored for a link, so that the same scan always has the same link. A link
// that was revoked is stored for as long as it would work otherwise.
package links

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"

	"assay/service/store"
)

// MaxLifetime is the longest lifetime of a link.
const MaxLifetime = 90 * 24 * time.Hour

// A Store is what this package needs of store.Store.
type Store interface {
	store.Files
	FindScan(ctx context.Context, id string) (store.Scan, store.Sizes, error)
	ListTokens(ctx context.Context) ([]store.Token, error)
}

// The names of files in the store.
const (
	keyFile = "links/key"
	revoked = "links/revoked"
)

const (
	keyBytes = 32
	endBytes = 4  // minutes since 1970
	macBytes = 12 // cannot be guessed by requests
	// Length is the length of the secret part of a link.
	Length = 22
)

// Links makes and checks links.
type Links struct {
	Store Store
	// Lifetime is how long a link works after its scan. Zero: there are no links.
	Lifetime time.Duration
	Now      func() time.Time
	Random   io.Reader // crypto/rand.Reader except in tests
}

// Secret returns the secret part of the link to a scan: 22 letters and digits. It is empty
// without links.
func (l *Links) Secret(ctx context.Context, scan store.Scan) (string, error) {
	if l.Lifetime <= 0 {
		return "", nil
	}
	key, err := l.key(ctx)
	if err != nil {
		return "", fmt.Errorf("make a link: %w", err)
	}
	return secret(key, scan.ID, endOf(scan, l.Lifetime)), nil
}

// endOf returns the minute in which a link ends.
func endOf(scan store.Scan, lifetime time.Duration) uint32 {
	return uint32(scan.At.Add(lifetime).Unix() / 60) // until 10136
}

// Page returns the address of the page that asks for a token and shows the report of a scan.
// A link has a slash and its secret part behind it.
func Page(publicURL, scan string) string { return publicURL + "/r/" + url.PathEscape(scan) }

// ErrRefused is returned for a link that does not work, for any reason.
var ErrRefused = errors.New("this link does not work")

// Check returns the scan of a link by its id and the secret part of the link. It returns
// ErrRefused unless this service made the link, for that scan, and the link works still: it
// has not ended and was not revoked, the scan is stored, and the token of the scan was not
// revoked. A shorter Lifetime also ends older links sooner.
func (l *Links) Check(ctx context.Context, id, given string) (store.Scan, store.Sizes, error) {
	scan, sizes, err := l.check(ctx, id, given)
	switch {
	case errors.Is(err, store.ErrNotFound):
		err = ErrRefused
	case err != nil && !errors.Is(err, ErrRefused):
		err = fmt.Errorf("check a link: %w", err)
	}
	return scan, sizes, err
}

func (l *Links) check(ctx context.Context, id, given string) (scan store.Scan, sizes store.Sizes, err error) {
	end, ok := endIn(given)
	if l.Lifetime <= 0 || !ok {
		return scan, sizes, ErrRefused
	}
	f, err := l.Store.File(ctx, keyFile)
	if err := checkKey(f, err); err != nil {
		return scan, sizes, err
	}
	// Nothing is looked up for a link that this service did not make.
	if !hmac.Equal([]byte(secret(f.Body, id, end)), []byte(given)) {
		return scan, sizes, ErrRefused
	}
	if scan, sizes, err = l.Store.FindScan(ctx, id); err != nil {
		return scan, sizes, err
	}
	if now := l.Now().Unix() / 60; now >= int64(min(end, endOf(scan, l.Lifetime))) {
		return scan, sizes, ErrRefused
	}
	switch _, err := l.Store.File(ctx, revoked+"/"+id); {
	case err == nil:
		return scan, sizes, ErrRefused
	case !errors.Is(err, store.ErrNotFound):
		return scan, sizes, err
	}
	tokens, err := l.Store.ListTokens(ctx)
	if err != nil {
		return scan, sizes, err
	}
	if slices.ContainsFunc(tokens, func(t store.Token) bool { return t.ID == scan.Token && !t.Revoked.IsZero() }) {
		return scan, sizes, ErrRefused
	}
	return scan, sizes, nil
}

// secret returns the secret part of the link to a scan that ends at a time.
func secret(key []byte, scan string, end uint32) string {
	ends := binary.BigEndian.AppendUint32(nil, end)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "report\x00%s\x00", scan)
	mac.Write(ends)
	text := new(big.Int).SetBytes(append(ends, mac.Sum(nil)[:macBytes]...)).Text(62)
	return strings.Repeat("0", Length-len(text)) + text
}

// endIn returns when a link with a secret part ends, if the secret has the right form.
func endIn(secret string) (end uint32, ok bool) {
	if len(secret) != Length || strings.ContainsFunc(secret, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return 0, false
	}
	n, ok := new(big.Int).SetString(secret, 62)
	if !ok || n.BitLen() > 8*(endBytes+macBytes) {
		return 0, false
	}
	return binary.BigEndian.Uint32(n.FillBytes(make([]byte, endBytes+macBytes))), true
}

// lockTime bounds how long a process makes a key.
const lockTime = 10 * time.Second

// key returns the key of all links, and makes it if there is none.
func (l *Links) key(ctx context.Context) (key []byte, err error) {
	f, err := l.Store.File(ctx, keyFile)
	if !errors.Is(err, store.ErrNotFound) {
		return f.Body, checkKey(f, err)
	}
	holder := make([]byte, 8)
	if _, err := io.ReadFull(l.Random, holder); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%x", holder)
	for wait := time.Millisecond; ; wait *= 2 {
		now := l.Now()
		taken, err := l.Store.TakeLock(ctx, keyFile, name, now, now.Add(lockTime))
		if err != nil {
			return nil, err
		}
		if taken {
			break
		}
		if wait > time.Second {
			return nil, errors.New("another process makes the key")
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
	defer func() { err = errors.Join(err, l.Store.DropLock(context.WithoutCancel(ctx), keyFile, name)) }()
	if f, err = l.Store.File(ctx, keyFile); !errors.Is(err, store.ErrNotFound) { // another process was first
		return f.Body, checkKey(f, err)
	}
	key = make([]byte, keyBytes)
	if _, err := io.ReadFull(l.Random, key); err != nil {
		return nil, err
	}
	return key, l.Store.PutFile(ctx, store.File{Name: keyFile, Modified: l.Now(), Body: key})
}

func checkKey(f store.File, err error) error {
	if err == nil && len(f.Body) != keyBytes {
		err = fmt.Errorf("the key has %d bytes: %w", len(f.Body), store.ErrDamaged)
	}
	return err
}

// Revoke ends the link to a scan at once, on all processes.
func Revoke(ctx context.Context, s store.Files, scan string, now time.Time) error {
	all, err := s.ListFiles(ctx, revoked)
	if err != nil {
		return fmt.Errorf("revoke a link: %w", err)
	}
	for _, f := range all {
		if f.Modified.Before(now.Add(-MaxLifetime)) { // its link has ended
			if err := s.DropFiles(ctx, f.Name); err != nil {
				return fmt.Errorf("revoke a link: %w", err)
			}
		}
	}
	if err := s.PutFile(ctx, store.File{Name: revoked + "/" + scan, Modified: now, Body: []byte{}}); err != nil {
		return fmt.Errorf("revoke a link: %w", err)
	}
	return nil
}

// RevokeAll ends all links at once: the next link is made with a new key.
func RevokeAll(ctx context.Context, s store.Files) error {
	if err := s.DropFiles(ctx, keyFile); err != nil {
		return fmt.Errorf("revoke all links: %w", err)
	}
	return nil
}
