package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"assay/cli/buildinfo"
	"assay/remote/slot"
	"assay/service/api"
	"assay/verdict/hint"
)

// maxProgram bounds the size of a client, in bytes.
const maxProgram = 256 << 20

func (d *daemon) verifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "show which release a client is, ignoring what assayd wrote into it",
		ArgsUsage: "FILE",
		Flags:     []cli.Flag{clientsFlag()},
		Action:    d.verify,
	}
}

// verify compares a file with the releases of this assayd, both with empty slots.
func (d *daemon) verify(c *cli.Context) error {
	if c.NArg() != 1 {
		return hint.Errorf("assayd verify FILE", "one file must be named")
	}
	path := c.Args().First()
	digest, err := releaseDigest(path)
	if errors.Is(err, slot.ErrNotFound) || errors.Is(err, slot.ErrAmbiguous) {
		return hint.Errorf("name a client that assayd serves, or one of a release", "%q is not a client of assay: %w", path, err)
	}
	if err != nil {
		return hint.Errorf("name a file that this user may read", "%w", err)
	}
	dir := clientsDir(c)
	releases, err := api.Releases(dir)
	if err != nil {
		return err
	}
	var known []string
	for arch, release := range releases {
		want, err := releaseDigest(release)
		if err != nil {
			return fmt.Errorf("read a release: %w", err)
		}
		if want == digest {
			fmt.Fprintf(d.stdout, "%s is assay %s for linux/%s\nsha256 with an empty slot: %x\n", path, buildinfo.Version(version), arch, digest)
			return nil
		}
		known = append(known, arch)
	}
	slices.Sort(known)
	next := "--clients DIR names the folder that holds the releases"
	if len(known) > 0 {
		next = fmt.Sprintf("the client has another version, or was changed; there are releases for %s in %q", strings.Join(known, ", "), dir)
	}
	return hint.Errorf(next, "%q is not one of the releases: sha256 with an empty slot: %x", path, digest)
}

// releaseDigest returns the digest of a program with an empty slot.
func releaseDigest(path string) ([sha256.Size]byte, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxProgram {
		return [sha256.Size]byte{}, fmt.Errorf("%q is not a file, or larger than %d MiB", path, maxProgram>>20)
	}
	b, err := os.ReadFile(path)
	if err == nil {
		b, err = slot.Clear(b)
	}
	return sha256.Sum256(b), err
}
