package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"assay/remote/token"
	"assay/verdict/hint"
)

// secretPath is where a builder mounts the secret assay_token.
const secretPath = "/run/secrets/assay_token"

// A secret is the token with its source and the notes about it.
type secret struct {
	value, from string
	note        string // a warning about the source
	others      string // a note about other sources that have another token
}

// A place is a source of the token.
type place struct {
	name string
	read func() (string, error)
}

// findToken takes the token from the first place that has one: the argument,
// --token-file, the mounted secret, ASSAY_TOKEN_FILE, ASSAY_TOKEN. The variables come
// last because a base image can set them, and would redirect the scan and its result to
// an account of its own.
func findToken(c *ucli.Context, lookupEnv func(string) (string, bool), readFile func(string) ([]byte, error)) (secret, error) {
	if err := checkWord(c); err != nil {
		return secret{}, err
	}
	if c.NArg() > 1 {
		return secret{}, usage("quote the token and give flags as --name=value", "%d arguments were given, only the token is accepted", c.NArg())
	}
	var places []place
	file := func(path string) place {
		return place{fmt.Sprintf("file %q", path), func() (string, error) { return readToken(path, readFile) }}
	}
	text := func(name, value string) place {
		return place{name, func() (string, error) { return value, nil }}
	}
	const argument = "the argument"
	if c.NArg() == 1 {
		places = append(places, text(argument, c.Args().First()))
	}
	if path := c.String("token-file"); path != "" {
		places = append(places, file(path))
	}
	if _, err := readFile(secretPath); !errors.Is(err, fs.ErrNotExist) {
		places = append(places, file(secretPath))
	}
	if path, _ := lookupEnv(envName("token-file")); path != "" {
		places = append(places, file(path))
	}
	if v, ok := lookupEnv("ASSAY_TOKEN"); ok {
		// A builder that puts a secret into a variable includes the newline of its file.
		places = append(places, text("ASSAY_TOKEN", strings.TrimSpace(v)))
	}
	if len(places) == 0 {
		return secret{}, usage("pass --secret id=assay_token,src=FILE to docker build, or --build-arg NAME=TOKEN where the Dockerfile has ARG NAME; repeat ARG after each FROM",
			"no token was given")
	}
	first := places[0]
	value, err := first.read()
	if err != nil {
		return secret{}, err
	}
	if err := token.Check(value); err != nil {
		return secret{}, usage(cmp.Or(hint.Of(err), "assayd token create makes a token"), "token from %s: %v", first.name, err)
	}
	s := secret{value: value, from: first.name}
	if first.name == argument {
		s.note = "the token is visible in the log and history of this build; a secret is not: RUN --mount=type=secret,id=assay_token"
	}
	var others []string
	for _, p := range places[1:] {
		if other, err := p.read(); err == nil && other != "" && other != value {
			others = append(others, p.name)
		}
	}
	if len(others) > 0 {
		s.others = fmt.Sprintf("another token in %s was ignored; the token from %s is used", strings.Join(others, " and in "), s.from)
	}
	return s, nil
}

// readTokenFile reads a file that should contain only a token.
func readTokenFile(path string) ([]byte, error) { return readRegular(path, maxTokenFile) }

// readToken reads a token from a file. Its errors have exit code 2.
func readToken(path string, readFile func(string) ([]byte, error)) (string, error) {
	b, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "", usage("mount it for the user of the step: --mount=type=secret,id=assay_token,mode=0444 or uid=UID",
			"token file %q may not be read by this user", path)
	case errors.Is(err, fs.ErrNotExist):
		return "", usage("docker build silently omits a secret that is not passed to it: add --secret id=...,src=FILE",
			"token file %q does not exist", path)
	case err != nil:
		return "", usage("name a file that contains only the token", "read token file: %v", err)
	}
	return strings.TrimSpace(string(b)), nil
}
