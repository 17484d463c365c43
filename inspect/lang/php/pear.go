package php

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"assay/inspect/fixture"
	"assay/inspect/ident"
	"assay/inspect/inventory"
)

// PEARExts returns the extensions of the files that WantsPEAR decides about.
func PEARExts() []string { return []string{".reg"} }

// WantsPEAR reports whether the file at path, relative to the root, is a record in
// PEAR's registry: NAME.reg in .registry or, for a channel other than PEAR's own, in
// .channel.CHANNEL there.
func WantsPEAR(path string) bool {
	i := strings.LastIndexByte(path, '/')
	if i < 0 || !strings.HasSuffix(path, ".reg") {
		return false
	}
	dir := path[:i]
	if i := strings.LastIndexByte(dir, '/'); i >= 0 && strings.HasPrefix(dir[i+1:], ".channel.") {
		dir = dir[:i]
	}
	return strings.HasSuffix(dir, "/.registry") && !fixture.In(dir)
}

// ReadPEAR reads the record in PEAR's registry at path and returns its package, with
// the name CHANNEL/NAME as in a purl ("pear.php.net/Archive_Tar") and the release
// version. The record is an array in the format of PHP's serialize.
func ReadPEAR(r io.Reader, path string) ([]inventory.Package, error) {
	var name, channel, version string
	s := newSerial(r)
	array, err := s.array(func(key string) (err error) {
		switch key {
		case "name":
			name, _, err = s.string()
		case "channel":
			channel, _, err = s.string()
		case "version":
			version, err = s.release()
		}
		return err
	})
	// The registry appends its own fields to those of package.xml. The whole record is
	// read, because only a complete record is that of an installed package.
	switch {
	case err != nil:
		return nil, fmt.Errorf("PEAR registry: %w", err)
	case !array:
		return nil, errors.New("PEAR registry: not an array")
	case !ident.Is(name) || !ident.Is(version):
		return nil, fmt.Errorf("PEAR registry: invalid package name %.*q or version %.*q", ident.Max, name, ident.Max, version)
	}
	if channel == "" {
		channel = "pear.php.net" // records of package.xml 1.0 name no channel
	}
	if !ident.Is(channel) {
		return nil, fmt.Errorf("PEAR registry: invalid channel %.*q", ident.Max, channel)
	}
	return []inventory.Package{{
		Type:     "pear",
		Name:     channel + "/" + name,
		Version:  version,
		Evidence: []inventory.Evidence{{Path: path, Kind: Kind}},
	}}, nil
}

// release reads the value of version: an array, in which release is the version of the
// package, or a string in records of package.xml 1.0.
func (s *serial) release() (string, error) {
	if c, err := s.kind(); err != nil || c != 'a' {
		version, _, err := s.string()
		return version, err
	}
	var version string
	_, err := s.array(func(key string) (err error) {
		if key == "release" {
			version, _, err = s.string()
		}
		return err
	})
	return version, err
}
