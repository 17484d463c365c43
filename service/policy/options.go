// Package policy decides what findings mean for a build: which of them fail
// it, and whether the answer is to be trusted at all. It is pure: what it says
// depends on its input alone.
package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"assay/remote/cyclonedx"
	"assay/verdict"
)

// FailOnNone is the value of --fail-on with which no severity fails a scan.
// What is known to be exploited or malicious still does.
const FailOnNone verdict.Severity = "none"

// flagOrigin is the origin of an option that was given on the command line, and
// so in the Dockerfile.
const flagOrigin = "flag"

// maxText bounds the bytes of project, ref and commit.
const maxText = 512

// Allow is what the owner of the service lets environment variables do. Its
// zero value allows nothing beyond the default.
type Allow struct {
	weaken []string
}

// weakenable are the options that can let through what the default holds back and
// that the owner may leave to variables. no-os-packages is not among them: a base
// image without its package database would excuse itself.
var weakenable = []string{"fail-on", "unrated", "continue-on-failure"}

// AllowOf lets environment variables weaken the options of these names
// ("fail-on"). A name of which no value weakens anything is an error.
func AllowOf(names ...string) (Allow, error) {
	for _, n := range names {
		if !slices.Contains(weakenable, n) {
			return Allow{}, fmt.Errorf("option %s weakens nothing; %s do", short(n), strings.Join(weakenable, ", "))
		}
	}
	return Allow{weaken: slices.Clone(names)}, nil
}

// Default returns the options of a scan that sends none.
func Default() verdict.Options {
	return verdict.Options{FailOn: verdict.High, Unrated: verdict.High}
}

// Options reads the options that a client sent. Those that are not sent have
// their default; of one sent several times a flag counts before a variable,
// and then the last.
//
// A base image's ENV is inherited by every build on it, so an option from
// anywhere but the command line is taken only where it does not weaken the gate
// against the default. One that would is returned as ignored, unless allow
// names it; so is one of a name that the service does not know. A flag that it
// does not know is an error: the gate that was asked for would not be the one that
// decides. So is a value that cannot be read, wherever it comes from.
func Options(sent []cyclonedx.Option, allow Allow) (verdict.Options, []verdict.IgnoredOption, error) {
	options := Default()
	var ignored []verdict.IgnoredOption
	for _, flags := range []bool{false, true} {
		for _, o := range sent {
			if (o.Origin == flagOrigin) != flags {
				continue
			}
			next := options
			known, err := set(&next, o.Name, o.Value)
			reason := ""
			switch {
			case err != nil:
				return verdict.Options{}, nil, fmt.Errorf("option %s of %s: %w", short(o.Name), given(o.Origin), err)
			case !known && flags:
				return verdict.Options{}, nil, fmt.Errorf("option %s of %s: unknown to this service", short(o.Name), given(o.Origin))
			case !known:
				reason = "this service does not know the option"
			case !flags && !slices.Contains(allow.weaken, o.Name) && weaker(o.Name, next):
				reason = "an environment variable may not weaken the gate, a flag in the Dockerfile may"
			}
			if reason != "" {
				ignored = append(ignored, verdict.IgnoredOption{Name: o.Name, Value: o.Value, Origin: o.Origin, Reason: reason})
				continue
			}
			options = next
		}
	}
	return options, ignored, nil
}

// set reads one option; known is false for a name that is none.
func set(o *verdict.Options, name, value string) (known bool, err error) {
	switch name {
	case "fail-on":
		o.FailOn, err = severity(value, FailOnNone)
	case "unrated":
		o.Unrated, err = severity(value)
	case "fail-on-unfixed":
		o.FailOnUnfixed, err = boolean(value)
	case "fail-on-eol":
		o.FailOnEOL, err = boolean(value)
	case "strict":
		o.Strict, err = boolean(value)
	case "kernel":
		o.Kernel, err = boolean(value)
	case "no-os-packages":
		o.NoOSPackages, err = boolean(value)
	case "continue-on-failure":
		o.ContinueOnFailure, err = boolean(value)
	case "project":
		o.Project, err = text(value)
	case "ref":
		o.Ref, err = text(value)
	case "commit":
		o.Commit, err = text(value)
	default:
		return false, nil
	}
	return true, err
}

// weaker reports whether the option name of o lets through what the default
// holds back. The switches but one only ever hold back more.
func weaker(name string, o verdict.Options) bool {
	byDefault := Default()
	switch name {
	case "fail-on":
		return threshold(o.FailOn) < threshold(byDefault.FailOn)
	case "unrated":
		return o.Unrated.Rank() > byDefault.Unrated.Rank()
	case "continue-on-failure":
		return o.ContinueOnFailure
	case "no-os-packages":
		return o.NoOSPackages
	}
	return false
}

// threshold is the rank of the mildest severity that fails, -1 where none does.
func threshold(failOn verdict.Severity) int {
	if failOn == FailOnNone {
		return -1
	}
	return failOn.Rank()
}

// severity reads a severity that a finding can have been rated with, or one of
// the further values.
func severity(value string, further ...verdict.Severity) (verdict.Severity, error) {
	s := verdict.Severity(strings.ToLower(value))
	values := append(rated(), further...)
	if !slices.Contains(values, s) {
		return "", fmt.Errorf("%s is none of %s", short(value), list(values))
	}
	return s, nil
}

// rated lists the severities that someone can have given, from the worst.
func rated() []verdict.Severity {
	return slices.DeleteFunc(verdict.Severities(), func(s verdict.Severity) bool { return s == verdict.Unrated })
}

func list(values []verdict.Severity) string {
	var names []string
	for _, v := range values {
		names = append(names, string(v))
	}
	return strings.Join(names, ", ")
}

func boolean(value string) (bool, error) {
	b, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("%s is neither true nor false", short(value))
	}
	return b, nil
}

// text reads a word about the build that is kept and shown as it is.
func text(value string) (string, error) {
	switch {
	case len(value) > maxText:
		return "", fmt.Errorf("%d bytes, at most %d are taken", len(value), maxText)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "", fmt.Errorf("%s has characters that cannot be printed", short(value))
	}
	return value, nil
}

// given names where an option was given.
func given(origin string) string {
	if origin == flagOrigin {
		return "the command line"
	}
	return short(origin)
}

// short quotes what a client sent, or the beginning of it.
func short(s string) string {
	const most = 100
	if len(s) > most {
		return strconv.Quote(s[:most]) + "..."
	}
	return strconv.Quote(s)
}
