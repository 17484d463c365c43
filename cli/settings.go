package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"assay/cli/argv"
	"assay/remote"
	"assay/remote/cyclonedx"
	"assay/remote/slot"
)

// treeFlags say what is read.
func treeFlags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringFlag{Name: "root", Aliases: []string{"d"}, Value: "/", Usage: "read the tree below `DIR`"},
		&ucli.StringSliceFlag{Name: "skip", Usage: "leave `DIR` out (repeatable)"},
	}
}

// scanFlags are the flags of the build step.
func scanFlags() []ucli.Flag {
	return append(treeFlags(),
		&ucli.StringFlag{Name: "server", Usage: "`URL` of the service, where the binary does not know it"},
		&ucli.StringFlag{Name: "token-file", Usage: "read the token from `FILE`"},
		&ucli.StringFlag{Name: "fail-on", Usage: "fail from this `SEVERITY` upwards: critical, high, medium, low, negligible, none (default high)"},
		&ucli.BoolFlag{Name: "fail-on-unfixed", Usage: "fail on findings without a fix, too"},
		&ucli.BoolFlag{Name: "fail-on-eol", Usage: "fail on a system without security support"},
		&ucli.StringFlag{Name: "unrated", Usage: "what a finding that nobody rated counts as: `SEVERITY` (default high)"},
		&ucli.BoolFlag{Name: "strict", Usage: "do not trust a scan that could not read everything"},
		&ucli.BoolFlag{Name: "kernel", Usage: "list kernel packages and let them fail; an image does not run its kernel"},
		&ucli.BoolFlag{Name: "no-os-packages", Usage: "accept an image of a named system that has no package database"},
		&ucli.BoolFlag{Name: "continue-on-failure", Aliases: []string{"c"}, Usage: "exit 0 on findings"},
		&ucli.StringFlag{Name: "on-error", Usage: "`fail` or warn when the scan cannot finish", Value: "fail"},
		&ucli.StringFlag{Name: "format", Usage: "standard output: `text` or json", Value: "text"},
		&ucli.StringSliceFlag{Name: "output", Usage: "write a report: `FORMAT=PATH` (repeatable; json, text)"},
		&ucli.StringFlag{Name: "cacert", Usage: "trust the certificates in `FILE` (PEM), too"},
		&ucli.BoolFlag{Name: "no-verify", Aliases: []string{"n"}, Usage: "do not verify the certificate of the service"},
		&ucli.DurationFlag{Name: "timeout", Usage: "give up after this `TIME`", Value: remote.DefaultTimeout},
		&ucli.StringFlag{Name: "project", Usage: "keep the scan under this `NAME`"},
		&ucli.StringFlag{Name: "ref", Usage: "branch or tag that is built"},
		&ucli.StringFlag{Name: "commit", Usage: "commit that is built"},
		&ucli.BoolFlag{Name: "quiet", Usage: "print the last lines only"},
		&ucli.BoolFlag{Name: "verbose", Usage: "list the findings that do not fail, too"},
	)
}

// decided are the flags that the service decides on: they are sent with the
// place that gave them.
var decided = []string{
	"fail-on", "fail-on-unfixed", "fail-on-eol", "unrated", "strict", "kernel",
	"no-os-packages", "continue-on-failure", "project", "ref", "commit",
}

// neverFromEnv are flags that no variable sets: a base image's ENV is
// inherited, and each of these would send the token elsewhere, hide part of
// the image, pass a build that was not scanned, or change what a script that
// reads the log finds there.
var neverFromEnv = []string{"format", "on-error", "no-verify", "no-os-packages", "root", "skip"}

// ofServer are flags that no variable sets once the slot or a flag names the
// service: who names the service also says whom to trust for it.
var ofServer = []string{"server", "cacert"}

type output struct{ format, path string }

// settings are the flags and variables of a scan, resolved.
type settings struct {
	server            string
	serverFrom        string // where the address was found, for people
	cas               []remote.CA
	noVerify          bool
	timeout           time.Duration
	onErrorWarn       bool
	continueOnFailure bool
	format            string
	outputs           []output
	quiet, verbose    bool
	noColor           bool
	options           []cyclonedx.Option
	notes             []string // variables that were not taken
}

// settings resolves the flags and their variables and refuses what does not fit
// together before any file is read.
func (r *run) settings(c *ucli.Context) (settings, error) {
	s := settings{timeout: c.Duration("timeout")}
	payload, err := slot.Read()
	if err != nil {
		return s, damaged(err)
	}
	named := payload.Server != "" || c.IsSet("server")

	// A flag of the command line wins, then its variable. origin is "" for a
	// default.
	lookup := func(name string) (value, origin string) {
		if c.IsSet(name) {
			return fmt.Sprint(c.Value(name)), "flag"
		}
		env := envName(name)
		v, ok := r.env.LookupEnv(env)
		if !ok || v == "" {
			return fmt.Sprint(c.Value(name)), ""
		}
		if slices.Contains(neverFromEnv, name) || named && slices.Contains(ofServer, name) || name == "timeout" && s.onErrorWarn {
			s.notes = append(s.notes, fmt.Sprintf("%s is set and was ignored: no variable may do that", env))
			return fmt.Sprint(c.Value(name)), ""
		}
		return v, env
	}
	var bad error
	choice := func(name string, choices ...string) string {
		v, origin := lookup(name)
		if !slices.Contains(choices, v) {
			bad = errors.Join(bad, badValue(name, v, origin, strings.Join(choices, " or ")))
		}
		return v
	}
	toggle := func(name string) bool {
		v, origin := lookup(name)
		on, err := strconv.ParseBool(v)
		if err != nil {
			bad = errors.Join(bad, badValue(name, v, origin, "true or false"))
		}
		return on
	}

	// The slot stands before the variable, the flag before both.
	s.server, s.serverFrom = payload.Server, "the slot"
	if v, origin := lookup("server"); origin != "" {
		s.server, s.serverFrom = v, origin
	}
	s.notes = append(s.notes, r.ignoredStores(s.server)...)
	for _, name := range []string{"root", "skip"} { // they are read elsewhere
		lookup(name)
	}
	s.noVerify = toggle("no-verify")
	s.onErrorWarn = choice("on-error", "fail", "warn") == "warn"
	s.format = choice("format", "text", "json")
	s.quiet, s.verbose = toggle("quiet"), toggle("verbose")
	s.continueOnFailure = toggle("continue-on-failure")
	if v, origin := lookup("timeout"); origin != "" {
		if s.timeout, err = time.ParseDuration(v); err != nil || s.timeout <= 0 {
			bad = errors.Join(bad, badValue("timeout", v, origin, "a time such as 90s or 5m"))
		}
	}
	for _, name := range decided {
		v, origin := lookup(name)
		if origin == "" {
			continue
		}
		if takes := checkDecided(name, v); takes != "" {
			bad = errors.Join(bad, badValue(name, v, origin, takes))
			continue
		}
		if v == "" { // an ARG that nobody set
			continue
		}
		s.options = append(s.options, cyclonedx.Option{Name: name, Value: v, Origin: origin})
	}
	outputs := c.StringSlice("output")
	if v, ok := r.env.LookupEnv(envName("output")); ok && v != "" && !c.IsSet("output") {
		outputs = strings.Split(v, ",")
	}
	for _, o := range outputs {
		format, path, ok := strings.Cut(o, "=")
		if !ok || path == "" || format != "json" && format != "text" {
			bad = errors.Join(bad, badValue("output", o, "flag", "json=PATH or text=PATH"))
			continue
		}
		if err := checkOutput(path); err != nil {
			bad = errors.Join(bad, err)
			continue
		}
		s.outputs = append(s.outputs, output{format, path})
	}
	if bad != nil {
		return s, bad
	}

	if payload.CA != "" {
		s.cas = append(s.cas, remote.CA{Name: "the slot", PEM: []byte(payload.CA)})
	}
	if path, _ := lookup("cacert"); path != "" {
		pem, err := readRegular(path, maxCAFile)
		if err != nil {
			return s, usage("name a PEM file that the build step can read", "read --cacert: %v", err)
		}
		s.cas = append(s.cas, remote.CA{Name: path, PEM: pem})
	}
	_, s.noColor = r.env.LookupEnv("NO_COLOR")
	if s.server == "" {
		return s, usage("ADD the binary from your assayd, which then knows its service, or give --server URL",
			"no service is known to this binary")
	}
	return s, nil
}

// ignoredStores names the variables of OpenSSL that would add to the roots that
// are trusted for an https service, as ASSAY_CACERT would.
func (r *run) ignoredStores(server string) []string {
	var notes []string
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} {
		v, _ := r.env.LookupEnv(name)
		if v != "" && !remote.IsStore(v) && strings.HasPrefix(server, "https:") {
			notes = append(notes, name+" is set and was ignored: no variable may do that")
		}
	}
	return notes
}

// usage returns an error of exit code 2 with its hint.
func usage(hint, format string, args ...any) error {
	return &argv.UsageError{What: fmt.Sprintf(format, args...), Next: hint}
}

func envName(flag string) string {
	return "ASSAY_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func badValue(name, value, origin, want string) error {
	where := "--" + name
	if origin != "" && origin != "flag" {
		where = origin
	}
	return usage("it takes "+want, "bad value %q for %s", value, where)
}
