package program

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"assay/inspect/ident"
	"assay/inspect/inventory"
)

// Limit is how many bytes of a file with the version of a runtime are read.
const Limit = 64 << 10

// Bases returns the names of the files that Wants may accept.
func Bases() []string { return []string{"OTP_VERSION"} }

// Wants reports whether path has the version of an Erlang runtime:
// releases/NUMBER/OTP_VERSION.
func Wants(path string) bool {
	parts := strings.Split("/"+path, "/")
	n := len(parts)
	return n >= 3 && parts[n-1] == "OTP_VERSION" && parts[n-3] == "releases" &&
		parts[n-2] != "" && strings.Trim(parts[n-2], "0123456789") == ""
}

// ReadVersion reads the version of an Erlang runtime.
func ReadVersion(r io.Reader, path string) ([]inventory.Package, error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, Limit)
	s.Scan()
	version := strings.TrimSpace(s.Text())
	if !ident.Is(version) || number(version) == "" {
		return nil, errors.Join(errors.New("no version"), s.Err())
	}
	return []inventory.Package{pack("erlang", number(version), "erlang", `erlang\/otp`, path)}, nil
}
