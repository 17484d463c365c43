package redhat

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// A purl is the part of a package URL that the documents use.
type purl struct {
	typ, namespace, name, version string
	arch, epoch, module           string
}

const maxPURL = 1024 // bytes

// parsePURL parses "pkg:rpm/redhat/openssl@3.0.7-27.el9?arch=src&epoch=1". Unknown
// qualifiers are ignored.
func parsePURL(text string) (purl, error) {
	var p purl
	rest, ok := strings.CutPrefix(text, "pkg:")
	if !ok || len(text) > maxPURL {
		return p, fmt.Errorf("invalid package URL %.100q", text)
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	rest, p.version, _ = strings.Cut(rest, "@")
	parts := strings.Split(rest, "/")
	if len(parts) < 2 || parts[len(parts)-1] == "" {
		return p, fmt.Errorf("package URL %.100q has no name", text)
	}
	p.typ, p.name = parts[0], parts[len(parts)-1]
	p.namespace = strings.Join(parts[1:len(parts)-1], "/")
	var failed error
	for _, part := range [...]*string{&p.name, &p.version} {
		decoded, err := url.PathUnescape(*part)
		failed = errors.Join(failed, err)
		*part = decoded
	}
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		decoded, err := url.PathUnescape(value)
		failed = errors.Join(failed, err)
		switch key {
		case "arch":
			p.arch = decoded
		case "epoch":
			p.epoch = decoded
		case "rpmmod":
			p.module = decoded
		}
	}
	if failed != nil {
		return p, fmt.Errorf("invalid package URL %.100q: %w", text, failed)
	}
	return p, nil
}

// evr returns the version with its epoch, or an empty string.
func (p purl) evr() string {
	if p.version == "" || p.epoch == "" || p.epoch == "0" {
		return p.version
	}
	return p.epoch + ":" + p.version
}
