// Package policy decides what findings mean for a build: which of them fail
// it, and whether the answer is to be trusted at all. It is pure: what it says
// depends on its input alone.
package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"assay/remote/cyclonedx"
	"assay/verdict"
)

// flagOrigin is the origin of an option that was given on the command line, and
// so in the Dockerfile.
const flagOrigin = "flag"

// Allow is what the owner of the service lets environment variables do. Its
// zero value allows nothing beyond the default.
type Allow struct {
	weaken []string
}

// AllowOf lets environment variables weaken the options of these names ("fail-on").
// A name of which no value weakens anything, or that no variable may set, is an error.
func AllowOf(names ...string) (Allow, error) {
	for _, n := range names {
		if option, ok := verdict.DeclaredOption(n); !ok || option.Env != verdict.EnvStricter {
			return Allow{}, fmt.Errorf("option %s weakens nothing; %s do", short(n), strings.Join(weakenable(), ", "))
		}
	}
	return Allow{weaken: slices.Clone(names)}, nil
}

// weakenable lists the options that the owner of the service can leave to variables.
func weakenable() []string {
	var names []string
	for _, option := range verdict.DeclaredOptions() {
		if option.Env == verdict.EnvStricter {
			names = append(names, option.Name)
		}
	}
	return names
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
	options := verdict.DefaultOptions()
	var ignored []verdict.IgnoredOption
	for _, flags := range []bool{false, true} {
		for _, o := range sent {
			if (o.Origin == flagOrigin) != flags {
				continue
			}
			next := options
			option, known := verdict.DeclaredOption(o.Name)
			reason := ""
			switch {
			case known && !option.Set(&next, o.Value):
				return verdict.Options{}, nil, fmt.Errorf("option %s of %s: invalid value %s, it takes %s",
					short(o.Name), given(o.Origin), short(o.Value), option.Takes())
			case !known && flags:
				return verdict.Options{}, nil, fmt.Errorf("option %s of %s: unknown to this service", short(o.Name), given(o.Origin))
			case !known:
				reason = "this service does not know the option"
			case !flags && !slices.Contains(allow.weaken, o.Name) && option.Weaker(next):
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
