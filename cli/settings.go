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
	"assay/verdict"
)

// settings are the resolved flags and variables of a scan.
type settings struct {
	server            string
	serverFrom        string // where the address was found, for the output of doctor
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
	files             []cyclonedx.File
	notes             []string // about variables that were ignored
}

// settings resolves the flags and their variables. It rejects contradictions before
// any file of the image is read.
func (r *run) settings(c *ucli.Context) (settings, error) {
	s := settings{timeout: c.Duration("timeout")}
	payload, err := slot.Read()
	if err != nil {
		return s, damaged(err)
	}
	v := r.values(c, payload.Server != "")
	s.server, s.serverFrom = v.server(payload.Server)
	v.notes = append(v.notes, r.ignoredStores(s.server)...)
	for _, name := range []string{"root", "skip"} {
		v.lookup(name) // for the note alone: inspect reads the flag
	}
	s.noVerify = v.toggle("no-verify")
	s.onErrorWarn = v.choice("on-error", "fail", "warn") == "warn"
	s.format = v.format()
	s.quiet, s.verbose = v.toggle("quiet"), v.toggle("verbose")
	if s.onErrorWarn {
		// Otherwise a base image could make every scan time out, and so pass.
		v.env["timeout"] = envIgnored
	}
	s.timeout = v.duration("timeout")
	s.options = v.decided()
	s.continueOnFailure = v.toggle("continue-on-failure")
	s.files = slices.Concat(v.files("ignore-file", cyclonedx.FileIgnore), v.files("vex", cyclonedx.FileVEX), v.baseline())
	s.outputs = v.outputs()
	cacert, _ := v.lookup("cacert")
	_, s.noColor = r.env.LookupEnv("NO_COLOR")
	s.notes = v.notes
	if v.bad != nil {
		return s, v.bad
	}
	if s.cas, err = authorities(payload.CA, cacert); err != nil {
		return s, err
	}
	if s.server == "" {
		return s, usage("ADD the binary from your assayd, which writes its address into it, or give --server URL",
			"the address of the service is missing")
	}
	return s, nil
}

// values looks up the flags of a scan and their variables. It collects what is wrong
// with them, so that one run reports all of it.
type values struct {
	c         *ucli.Context
	lookupEnv func(string) (string, bool)
	env       map[string]envRule
	named     bool     // the slot or a flag names the service
	notes     []string // about variables that are ignored
	bad       error
}

func (r *run) values(c *ucli.Context, slotFilled bool) *values {
	v := &values{c: c, lookupEnv: r.env.LookupEnv, env: map[string]envRule{}, named: slotFilled || c.IsSet("server")}
	for _, o := range scanOptions() {
		v.env[o.name()] = o.env
	}
	return v
}

// lookup returns the value of a flag: the one given on the command line, else that of
// its variable, else its default. origin is "flag", the name of the variable, or ""
// for the default.
func (v *values) lookup(name string) (value, origin string) {
	if v.c.IsSet(name) {
		return fmt.Sprint(v.c.Value(name)), originFlag
	}
	value, origin = v.variable(name)
	if origin == "" {
		value = fmt.Sprint(v.c.Value(name))
	}
	return value, origin
}

// variable returns the value of a flag's variable, and its name, "" if it is unset,
// empty or ignored.
func (v *values) variable(name string) (value, origin string) {
	env := envName(name)
	value, ok := v.lookupEnv(env)
	if !ok || value == "" {
		return "", ""
	}
	if rule := v.env[name]; rule == envIgnored || rule == envService && v.named {
		v.notes = append(v.notes, fmt.Sprintf("%s is set and was ignored: no variable may do that", env))
		return "", ""
	}
	return value, env
}

func (v *values) reject(err error) { v.bad = errors.Join(v.bad, err) }

// server returns the address of the service and where it was found.
func (v *values) server(inSlot string) (server, from string) {
	if value, origin := v.lookup("server"); origin != "" {
		return value, origin
	}
	return inSlot, "the slot"
}

func (v *values) choice(name string, choices ...string) string {
	value, origin := v.lookup(name)
	if !slices.Contains(choices, value) {
		v.reject(badValue(name, value, origin, strings.Join(choices, " or ")))
	}
	return value
}

// format returns the format of the standard output. --html is MicroScanner's flag.
func (v *values) format() string {
	format, origin := v.lookup("format")
	if v.toggle("html") {
		if origin != "" && format != "html" {
			v.reject(usage("give one of the two", "--html and --format %s contradict each other", format))
		}
		format = "html"
	}
	if !slices.Contains(verdict.ReportNames(), format) {
		v.reject(badValue("format", format, origin, "one of "+formatNames()))
	}
	return format
}

func (v *values) toggle(name string) bool {
	value, origin := v.lookup(name)
	on, err := strconv.ParseBool(value)
	if err != nil {
		v.reject(badValue(name, value, origin, "true or false"))
	}
	return on
}

func (v *values) duration(name string) time.Duration {
	value, origin := v.lookup(name)
	if origin == "" {
		return v.c.Duration(name)
	}
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		v.reject(badValue(name, value, origin, "a time such as 90s or 5m"))
	}
	return d
}

// decided returns the options that were given and on which the service decides. Their
// values are checked here by the same declaration: a value that only the service
// rejected would be lost under --on-error warn, and the gate with it.
func (v *values) decided() []cyclonedx.Option {
	var options []cyclonedx.Option
	for _, d := range verdict.DeclaredOptions() {
		value, origin := v.lookup(d.Name)
		switch {
		case origin == "":
		case !d.Set(new(verdict.Options), value):
			v.reject(badValue(d.Name, value, origin, d.Takes()))
		case value != "": // an ARG without a value gives an empty text
			options = append(options, cyclonedx.Option{Name: d.Name, Value: value, Origin: origin})
		}
	}
	return options
}

// files reads the files that a flag names. No variable can name one: a base image would
// accept its own findings.
func (v *values) files(flag, kind string) []cyclonedx.File {
	v.variable(flag) // for the note alone
	var files []cyclonedx.File
	for _, path := range v.c.StringSlice(flag) {
		body, err := readRegular(path, maxExceptions)
		if err != nil {
			v.reject(usage("name a file that the build step can read, of at most 8 MiB", "read --%s: %v", flag, err))
			continue
		}
		files = append(files, cyclonedx.File{Kind: kind, Name: path, Body: body})
	}
	return files
}

// baseline returns what --baseline names: the id of a stored scan, or a file. No variable can
// name it: a base image would choose what counts as base.
func (v *values) baseline() []cyclonedx.File {
	const flag = "baseline"
	v.variable(flag) // for the note alone
	if !v.c.IsSet(flag) {
		return nil
	}
	name := v.c.String(flag)
	if isScan(name) {
		return []cyclonedx.File{{Kind: cyclonedx.FileBaselineScan, Name: name, Body: []byte{}}}
	}
	body, err := readRegular(name, maxBaseline)
	if err != nil {
		v.reject(usage("name the id of a stored scan, or a file of at most 16 MiB that assay inventory --output has written", "read --baseline: %v", err))
		return nil
	}
	return []cyclonedx.File{{Kind: cyclonedx.FileBaseline, Name: name, Body: body}}
}

// isScan reports whether a text has the form of the id of a stored scan. A file of such a name
// is named with its folder.
func isScan(s string) bool {
	return len(s) == 16 && !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '2' || r > '7') })
}

func (v *values) outputs() []output {
	given := v.c.StringSlice("output")
	origin := originFlag
	if !v.c.IsSet("output") {
		if value, env := v.variable("output"); env != "" {
			given, origin = strings.Split(value, ","), env
		}
	}
	var outputs []output
	for _, o := range given {
		format, path, ok := strings.Cut(o, "=")
		if !ok || path == "" || !slices.Contains(verdict.ReportNames(), format) {
			v.reject(badValue("output", o, origin, "FORMAT=PATH, such as json=PATH; the formats are "+formatNames()))
		} else if err := checkOutput(path); err != nil {
			v.reject(err)
		} else {
			outputs = append(outputs, output{format, path})
		}
	}
	return outputs
}

// authorities returns the certificates that are trusted in addition to public ones.
func authorities(inSlot, cacert string) ([]remote.CA, error) {
	var cas []remote.CA
	if inSlot != "" {
		cas = append(cas, remote.CA{Name: "the slot", PEM: []byte(inSlot)})
	}
	if cacert != "" {
		pem, err := readRegular(cacert, maxCAFile)
		if err != nil {
			return nil, usage("name a PEM file that the build step can read", "read --cacert: %v", err)
		}
		cas = append(cas, remote.CA{Name: cacert, PEM: pem})
	}
	return cas, nil
}

// ignoredStores returns notes about the variables of OpenSSL, which would add trusted
// certificates for an https service as ASSAY_CACERT would.
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

// usage returns an error with exit code 2 and a hint.
func usage(hint, format string, args ...any) error {
	return &argv.UsageError{What: fmt.Sprintf(format, args...), Next: hint}
}

// originFlag is the origin of a value that was given on the command line.
const originFlag = "flag"

func badValue(name, value, origin, want string) error {
	where := "--" + name
	if origin != "" && origin != originFlag {
		where = origin
	}
	return usage("it takes "+want, "bad value %q for %s", value, where)
}
