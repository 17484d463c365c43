// Package source finds the layers of a finished image: in a registry, in an archive, or at
// URLs. It reads manifests and configurations within bounds, and opens layers only when they
// are read.
//
// The formats are those of the OCI image and distribution specifications 1.1, Docker's image
// manifest version 2 schema 2, and the archives of docker save.
package source

import (
	"errors"
	"fmt"
)

// A Kind says why an image cannot be read.
type Kind int

const (
	Unreachable  Kind = iota // the registry, or a host it names, cannot be reached or fails
	Invalid                  // the image, its manifest or an answer is invalid
	Unsupported              // the image is of a kind that cannot be evaluated
	Malformed                // the name of the image or the platform is invalid
	Refused                  // the address may not be connected to
	Unauthorized             // the registry refuses the credentials, or wants some
	NotFound                 // no such image, platform or layer
	Ambiguous                // an archive with several images
	TooLarge
)

// An Error is the reason why an image cannot be read. It never includes credentials.
type Error struct {
	Kind Kind
	Err  error
	Hint string // what to do, or empty
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

func fail(kind Kind, hint, format string, args ...any) error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...), Hint: hint}
}

// refusal returns the *Error of a connection that was refused, with its hint, or err.
func refusal(err error) error {
	refused, ok := errors.AsType[*AddressError](err)
	if !ok {
		return err
	}
	allow := refused.Host
	if refused.Plain {
		allow = "http://" + allow
	}
	return &Error{Kind: Refused, Err: refused, Hint: fmt.Sprintf("the owner of the service can allow it with --allow-network %s", allow)}
}
