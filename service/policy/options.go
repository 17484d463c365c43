// Package policy decides which findings fail a build, and whether the answer can be
// trusted. Its functions are pure: a result depends only on the arguments.
package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"assay/remote/cyclonedx"
	"assay/service/policy/ruleset"
	"assay/verdict"
)

// flagOrigin is the origin of an option from the command line, and so from the
// Dockerfile.
const flagOrigin = "flag"

// failOnBase is the option that no variable sets at all: one that is not weaker than the
// default could still be weaker than a flag --fail-on.
const failOnBase = "fail-on-base"

// Allow names the options that an environment variable may weaken. The zero value names
// none.
type Allow struct {
	weaken []string
}

// AllowOf returns an Allow for options by name ("fail-on"). It returns an error for an
// option that cannot weaken the gate, or that no variable may set.
func AllowOf(names ...string) (Allow, error) {
	for _, n := range names {
		if option, ok := verdict.DeclaredOption(n); !ok || option.Env != verdict.EnvStricter {
			return Allow{}, fmt.Errorf("option %s cannot weaken the gate by a variable; these can: %s", short(n), strings.Join(weakenable(), ", "))
		}
	}
	return Allow{weaken: slices.Clone(names)}, nil
}

// weakenable returns the names of the options that AllowOf takes.
func weakenable() []string {
	var names []string
	for _, option := range verdict.DeclaredOptions() {
		if option.Env == verdict.EnvStricter {
			names = append(names, option.Name)
		}
	}
	return names
}

// Options reads the options that a client sent. An option that was not sent has its
// default. If an option was sent several times, a flag takes precedence over a variable,
// and otherwise the last one counts.
//
// Every build inherits the ENV of its base image. An option from anywhere but the command
// line is therefore used only if it does not weaken the gate, compared with the default,
// or if allow names it. Otherwise it is returned as ignored, and so is a variable that the
// service does not know. A flag that the service does not know is an error, because the
// decision would not be the one that was asked for. An invalid value is an error,
// wherever it comes from.
//
// service, which may be nil, is the policy of the service. Its defaults are those of options
// that were not sent. An option that is weaker than its mandatory values is returned as
// ignored, even if it is a flag.
func Options(sent []cyclonedx.Option, allow Allow, service *ruleset.Effective) (verdict.Options, []verdict.IgnoredOption, error) {
	byDefault := service.Options()
	options := byDefault
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
			case !flags && o.Name == failOnBase:
				reason = "only a flag in the Dockerfile sets it"
			case !flags && !slices.Contains(allow.weaken, o.Name) && option.WeakerThan(next, byDefault):
				reason = "an environment variable may not weaken the gate, a flag in the Dockerfile may"
			}
			if reason != "" {
				ignored = append(ignored, verdict.IgnoredOption{Name: o.Name, Value: o.Value, Origin: o.Origin, Reason: reason})
				continue
			}
			options = next
		}
	}
	service.Require(&options, func(required ruleset.Setting, was string) {
		origin := originOf(sent, required.Option.Name)
		if origin == "" { // nobody asked for the default
			return
		}
		ignored = append(ignored, verdict.IgnoredOption{
			Name: required.Option.Name, Value: was, Origin: origin,
			Reason: fmt.Sprintf("the service requires %s (%s)", required.Value, service.Written(required.Line)),
		})
	})
	return options, ignored, nil
}

// originOf returns who sent an option last, or "" if nobody did.
func originOf(sent []cyclonedx.Option, name string) string {
	origin := ""
	for _, flags := range []bool{false, true} {
		for _, o := range sent {
			if o.Name == name && (o.Origin == flagOrigin) == flags {
				origin = o.Origin
			}
		}
	}
	return origin
}

// given says where an option was given.
func given(origin string) string {
	if origin == flagOrigin {
		return "the command line"
	}
	return short(origin)
}

// short quotes what a client sent, cut to 100 bytes.
func short(s string) string {
	const most = 100
	if len(s) > most {
		return strconv.Quote(s[:most]) + "..."
	}
	return strconv.Quote(s)
}
