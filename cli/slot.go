package cli

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	ucli "github.com/urfave/cli/v2"

	"assay/remote/cert"
	"assay/remote/slot"
	"assay/verdict"
	"assay/verdict/hint"
)

// maxProgram limits the size of a file whose slot is shown, in bytes.
const maxProgram = 256 << 20

func slotFlags() []ucli.Flag {
	return []ucli.Flag{&ucli.BoolFlag{Name: "show", Usage: "print the content of the slot (the default)", Value: true}}
}

// slot is the action of assay slot. It prints what a service wrote into this binary, or
// into a file.
func (r *run) slot(c *ucli.Context) error {
	if c.NArg() > 1 {
		return usage("assay slot --show FILE", "%d files were given, at most one is accepted", c.NArg())
	}
	path := c.Args().First()
	var p slot.Payload
	var program []byte
	var err error
	if path == "" {
		if p, err = slot.Read(); err == nil {
			program = ownProgram()
		}
	} else if program, err = readProgram(path); err == nil {
		p, err = slot.Show(program)
	}
	if errors.Is(err, slot.ErrNotFound) || errors.Is(err, slot.ErrAmbiguous) {
		return hint.Errorf("name a binary of assay", "%q: %w", path, err)
	}
	if err != nil {
		return damaged(err)
	}
	return showSlot(r.env.Stdout, p, program)
}

// showSlot prints a payload, and the digest of the program with an empty slot. program is
// nil if this user may not read it.
func showSlot(w io.Writer, p slot.Payload, program []byte) error {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-7s %s\n", name, verdict.Clean(fmt.Sprintf(format, args...)))
	}
	if p == (slot.Payload{}) {
		line("server", "none: the slot is empty, as released")
	} else {
		line("server", "%s", p.Server)
		certs, err := cert.Parse([]byte(p.CA))
		if err != nil && p.CA != "" {
			line("ca", "%v", err)
		} else {
			line("ca", "%d certificates", len(certs))
		}
		for _, c := range certs {
			line("", "%s, valid until %s", c.Subject, c.NotAfter.UTC().Format(time.DateOnly))
		}
		fresh := p.Fresh
		if fresh == "" {
			fresh = "never changes"
		}
		line("fresh", "%s", fresh)
	}
	if program == nil {
		line("sha256", "unknown: this user may run the binary but not read it")
		return nil
	}
	released, err := slot.Clear(program)
	if err != nil {
		return err
	}
	line("sha256", "%x with an empty slot, as released", sha256.Sum256(released))
	return nil
}

// ownProgram returns the bytes of the running binary, or nil if its path is unknown or it
// cannot be read.
func ownProgram() []byte {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	b, err := readProgram(self)
	if err != nil {
		return nil
	}
	return b
}

func readProgram(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, hint.Errorf("name a file that this user may read", "%w", err)
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxProgram {
		return nil, hint.Errorf("name a binary of assay", "%q is not a file, or larger than %d MiB", path, maxProgram>>20)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, hint.Errorf("name a file that this user may read", "%w", err)
	}
	return b, nil
}

// damaged adds a hint to the error of a damaged slot.
func damaged(err error) error {
	if errors.Is(err, slot.ErrDamaged) {
		return hint.Errorf("the binary was damaged or changed later; fetch it again with docker build --no-cache",
			"the binary differs from the one that the service handed out: %w", err)
	}
	return err
}
