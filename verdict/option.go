package verdict

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Options are the options of a scan that the service decides on. Each field is
// declared in DeclaredOptions.
type Options struct {
	FailOn     Severity `json:"fail_on"`
	FailOnEPSS float64  `json:"fail_on_epss,omitempty"` // the probability of exploitation that fails; 0 for none
	// FailOnBase and FailOnBaseEPSS count for findings of the base image in place of FailOn and
	// FailOnEPSS, unless FailOnBase is empty.
	FailOnBase        Severity `json:"fail_on_base,omitempty"`
	FailOnBaseEPSS    float64  `json:"fail_on_base_epss,omitempty"`
	FailOnUnfixed     bool     `json:"fail_on_unfixed"`
	FailOnEOL         bool     `json:"fail_on_eol"`
	Unrated           Severity `json:"unrated"` // what an unrated finding counts as
	Strict            bool     `json:"strict"`
	Kernel            bool     `json:"kernel"`                // kernel findings are listed and may fail
	NoOSPackages      bool     `json:"no_os_packages"`        // the system may have no package database
	Grace             Seconds  `json:"grace,omitempty"`       // how long a fix may be known before its finding fails
	MaxAge            Seconds  `json:"max_age,omitempty"`     // the age of data that is trusted; 0 for the service's
	VEXProduct        string   `json:"vex_product,omitempty"` // the purl of the image in VEX statements
	ContinueOnFailure bool     `json:"continue_on_failure"`
	Project           string   `json:"project,omitempty"`
	Ref               string   `json:"ref,omitempty"`
	Commit            string   `json:"commit,omitempty"`
}

// FailOnNone is the value of fail-on with which no severity fails a scan. A finding
// that is known to be exploited, and a malicious package, still do.
const FailOnNone Severity = "none"

// DefaultOptions returns the options of a scan that sends none.
func DefaultOptions() Options { return Options{FailOn: High, Unrated: High} }

// Threshold returns the rank of the mildest severity that fails, or -1 if none does.
func (o Options) Threshold() int {
	if o.FailOn == FailOnNone {
		return -1
	}
	return o.FailOn.Rank()
}

// For returns the options that count for findings of an origin: FailOn and FailOnEPSS of the
// result are those of the base image for OriginBase.
func (o Options) For(origin string) Options {
	if origin == OriginBase && o.FailOnBase != "" {
		o.FailOn, o.FailOnEPSS = o.FailOnBase, o.FailOnBaseEPSS
	}
	return o
}

// weaker reports whether a finding that fails by its severity or EPSS under than passes
// under o.
func (o Options) weaker(than Options) bool {
	return o.Threshold() < than.Threshold() || than.FailOnEPSS > 0 && (o.FailOnEPSS == 0 || o.FailOnEPSS > than.FailOnEPSS)
}

// Describe writes the options that have one of the effects as "fail-on=high strict=false".
// It leaves out a time, a product or a threshold that was not given.
func (o Options) Describe(effects ...Effect) string {
	var words []string
	for _, d := range DeclaredOptions() {
		if s, ok := d.field(&o).(*Seconds); ok && *s == 0 || d.Value(o) == "" && d.Effect == Gate {
			continue // not given
		}
		if slices.Contains(effects, d.Effect) {
			words = append(words, d.Name+"="+d.Value(o))
		}
	}
	return strings.Join(words, " ")
}

// An Option declares one option of a scan. Everything about it follows from the
// declaration: the client's flag and environment variable, the name on the wire,
// the service's policy, the check of the verdict, and the log.
type Option struct {
	Name    string // of the flag, and on the wire
	Aliases []string
	Usage   string // of the flag; backquotes mark its placeholder
	Effect  Effect
	Env     EnvRule

	none    bool                       // a severity that may also be none
	purl    bool                       // a text that is a package URL
	field   func(*Options) any         // the field as *Severity, *bool, *Seconds or *string, or a threshold
	weakens func(o, than Options) bool // whether it lets more through; nil for a switch that only makes the gate stricter
}

// An Effect says what an option changes.
type Effect int

const (
	Gate  Effect = iota // whether the scan passes
	Exit                // the exit code that the client makes of the decision
	Label               // only how the scan is stored
)

// An EnvRule says whether an environment variable may set an option. A base image
// can set variables, so the zero value is the strictest rule.
type EnvRule int

const (
	EnvNever    EnvRule = iota // only a flag sets it
	EnvStricter                // a variable sets it if that does not weaken the gate, or if the owner of the service allows it
	EnvTaken                   // a variable sets it: no value weakens the gate
)

// DeclaredOptions returns the declaration of each field of Options.
func DeclaredOptions() []Option {
	return []Option{
		{
			Name: "fail-on", Usage: "fail on findings of this `SEVERITY` or above: critical, high, medium, low, negligible, none (default high); with a comma, also on epss=0.5",
			Effect: Gate, Env: EnvStricter, none: true,
			field:   func(o *Options) any { return threshold{&o.FailOn, &o.FailOnEPSS} },
			weakens: Options.weaker,
		},
		{
			// Only a flag sets it: a variable that is not weaker than the default could still
			// be weaker than a --fail-on.
			Name: "fail-on-base", Usage: "with --baseline, use this `SEVERITY` in place of that of --fail-on for findings of the base image",
			Effect: Gate, Env: EnvNever, none: true,
			field:   func(o *Options) any { return threshold{&o.FailOnBase, &o.FailOnBaseEPSS} },
			weakens: func(o, than Options) bool { return o.For(OriginBase).weaker(than.For(OriginBase)) },
		},
		{
			Name: "fail-on-unfixed", Usage: "also fail on findings that have no fix",
			Effect: Gate, Env: EnvTaken,
			field: func(o *Options) any { return &o.FailOnUnfixed },
		},
		{
			Name: "fail-on-eol", Usage: "fail on a system without security support",
			Effect: Gate, Env: EnvTaken,
			field: func(o *Options) any { return &o.FailOnEOL },
		},
		{
			Name: "unrated", Usage: "treat a finding without a rating as this `SEVERITY` (default high)",
			Effect: Gate, Env: EnvStricter,
			field:   func(o *Options) any { return &o.Unrated },
			weakens: func(o, byDefault Options) bool { return o.Unrated.Rank() > byDefault.Unrated.Rank() },
		},
		{
			Name: "grace", Usage: "let a finding pass for this `TIME`, such as 7d, after its fix was published or first seen, whichever was earlier",
			Effect: Gate, Env: EnvStricter,
			field:   func(o *Options) any { return &o.Grace },
			weakens: func(o, byDefault Options) bool { return o.Grace > byDefault.Grace },
		},
		{
			Name: "max-age", Usage: "do not trust data that was last updated more than this `TIME` ago, such as 12h or 3d; the service may trust less",
			Effect: Gate, Env: EnvTaken,
			field:   func(o *Options) any { return &o.MaxAge },
			weakens: func(o, than Options) bool { return than.MaxAge > 0 && (o.MaxAge == 0 || o.MaxAge > than.MaxAge) },
		},
		{
			Name: "strict", Usage: "do not trust a scan that could not read or evaluate everything",
			Effect: Gate, Env: EnvTaken,
			field: func(o *Options) any { return &o.Strict },
		},
		{
			Name: "kernel", Usage: "list findings in kernel packages and let them fail; an image does not run its own kernel",
			Effect: Gate, Env: EnvTaken,
			field: func(o *Options) any { return &o.Kernel },
		},
		{
			// A base image without its package database must not excuse itself, so not
			// even the owner of the service can allow the variable.
			Name: "no-os-packages", Usage: "accept an image that names a system and has no package database",
			Effect: Gate, Env: EnvNever,
			field:   func(o *Options) any { return &o.NoOSPackages },
			weakens: func(o, than Options) bool { return o.NoOSPackages && !than.NoOSPackages },
		},
		{
			Name: "vex-product", Usage: "apply the VEX statements about this product, a `PURL`, to the packages in the image",
			Effect: Gate, Env: EnvNever, purl: true,
			field:   func(o *Options) any { return &o.VEXProduct },
			weakens: func(o, than Options) bool { return o.VEXProduct != "" && o.VEXProduct != than.VEXProduct },
		},
		{
			Name: "continue-on-failure", Aliases: []string{"c"}, Usage: "exit 0 on findings",
			Effect: Exit, Env: EnvStricter,
			field:   func(o *Options) any { return &o.ContinueOnFailure },
			weakens: func(o, than Options) bool { return o.ContinueOnFailure && !than.ContinueOnFailure },
		},
		{
			Name: "project", Usage: "`NAME` of the project that the scan belongs to",
			Effect: Label, Env: EnvTaken,
			field: func(o *Options) any { return &o.Project },
		},
		{
			Name: "ref", Usage: "`NAME` of the branch or tag that is built",
			Effect: Label, Env: EnvTaken,
			field: func(o *Options) any { return &o.Ref },
		},
		{
			Name: "commit", Usage: "`ID` of the commit that is built",
			Effect: Label, Env: EnvTaken,
			field: func(o *Options) any { return &o.Commit },
		},
	}
}

// DeclaredOption returns the declaration of a name.
func DeclaredOption(name string) (Option, bool) {
	all := DeclaredOptions()
	i := slices.IndexFunc(all, func(d Option) bool { return d.Name == name })
	if i < 0 {
		return Option{}, false
	}
	return all[i], true
}

// maxText is the largest number of bytes in a text option.
const maxText = 512

// Set reads a value into its field of o. It reports whether the value is valid, and
// leaves o unchanged if not.
func (d Option) Set(o *Options, value string) bool {
	switch field := d.field(o).(type) {
	case threshold:
		return field.set(value)
	case *Seconds:
		s, ok := parseSeconds(value)
		if !ok {
			return false
		}
		*field = s
	case *Severity:
		s := Severity(strings.ToLower(value))
		if !slices.Contains(d.severities(), s) {
			return false
		}
		*field = s
	case *bool:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return false
		}
		*field = b
	case *string:
		if d.purl && value != "" && !strings.HasPrefix(value, "pkg:") {
			return false
		}
		if len(value) > maxText || !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return false
		}
		*field = value
	}
	return true
}

// Value returns the field of o as text. Set reads it back.
func (d Option) Value(o Options) string {
	switch field := d.field(&o).(type) {
	case threshold:
		return field.value()
	case *Seconds:
		return field.String()
	case *Severity:
		return string(*field)
	case *bool:
		return strconv.FormatBool(*field)
	case *string:
		return *field
	}
	return ""
}

// Takes describes the valid values.
func (d Option) Takes() string {
	switch d.field(new(Options)).(type) {
	case threshold, *Severity:
		var names []string
		for _, s := range d.severities() {
			names = append(names, string(s))
		}
		if d.none {
			return strings.Join(names, ", ") + ", or a list such as critical,epss=0.5"
		}
		return strings.Join(names, ", ")
	case *Seconds:
		return "a time such as 12h or 7d, of at most ten years"
	case *bool:
		return "true or false"
	}
	if d.purl {
		return "a package URL such as pkg:oci/app"
	}
	return fmt.Sprintf("at most %d bytes of printable text", maxText)
}

// Switch reports whether the option is true or false, so that its flag needs no value.
func (d Option) Switch() bool {
	_, ok := d.field(new(Options)).(*bool)
	return ok
}

// WeakerThan reports whether the option in o lets through what it rejects in than.
func (d Option) WeakerThan(o, than Options) bool {
	if d.weakens != nil {
		return d.weakens(o, than)
	}
	on, ok := d.field(&o).(*bool)
	return ok && !*on && *d.field(&than).(*bool)
}

// Strengthen makes the option in o at least as strict as it is in than.
func (d Option) Strengthen(o *Options, than Options) {
	switch {
	case !d.WeakerThan(*o, than):
	case d.Name == "fail-on-base":
		base := o.For(OriginBase)
		base.strengthen(than.For(OriginBase))
		o.FailOnBase, o.FailOnBaseEPSS = base.FailOn, base.FailOnEPSS
	case d.none:
		o.strengthen(than)
	default:
		d.Set(o, d.Value(than))
	}
}

// strengthen makes each of the two parts of fail-on at least as strict as in than.
func (o *Options) strengthen(than Options) {
	if o.Threshold() < than.Threshold() {
		o.FailOn = than.FailOn
	}
	if e := than.FailOnEPSS; e > 0 && (o.FailOnEPSS == 0 || o.FailOnEPSS > e) {
		o.FailOnEPSS = e
	}
}

// severities lists the valid severities, from the worst.
func (d Option) severities() []Severity {
	valid := slices.DeleteFunc(Severities(), func(s Severity) bool { return s == Unrated })
	if d.none {
		valid = append(valid, FailOnNone)
	}
	return valid
}
