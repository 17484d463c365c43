package ignore

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"assay/service/policy/yamltext"
)

// grypeSection reads the ignore rules of a configuration of Grype. Its other keys are
// about Grype alone.
func (f *File) grypeSection(key string, v *yaml.Node) error {
	if key != "ignore" {
		return nil
	}
	return f.entries(v, grypeField, func(r *Rule) error {
		if r.Inactive == "" && !r.conditions() {
			r.Inactive = "it has no condition"
		}
		if r.Inactive == "" {
			if err := r.compile(); err != nil {
				r.Inactive = err.Error() // Grype's rule matches nothing, too
			}
		}
		if r.Inactive != "" {
			*r = Rule{Line: r.Line, ID: r.ID, Package: r.Package, Reason: r.Reason, Inactive: r.Inactive}
		}
		return nil
	})
}

func grypeField(r *Rule, key string, v *yaml.Node) error {
	switch key {
	case "vulnerability":
		return yamltext.Text(v, &r.ID)
	case "include-aliases", // assay always matches aliases, because aliases are one finding
		"vex-justification": // it says nothing without vex-status
		return yamltext.Text(v, new(string))
	case "reason":
		return yamltext.Text(v, &r.Reason)
	case "fix-state":
		if err := yamltext.Text(v, &r.FixState); err != nil {
			return err
		}
		if !slices.Contains([]string{"", "fixed", "not-fixed", "wont-fix"}, r.FixState) {
			r.Inactive = fmt.Sprintf("fix-state %q is not supported", r.FixState)
		}
		return nil
	case "package":
		return yamltext.Fields(v, func(key string, v *yaml.Node) error { return grypePackage(r, key, v) })
	case "namespace", "match-type", "vex-status":
		var s string
		if err := yamltext.Text(v, &s); err != nil {
			return err
		}
		if s != "" {
			r.Inactive = key + " is not supported"
		}
		return nil
	}
	return yamltext.Unknown(key, v)
}

func grypePackage(r *Rule, key string, v *yaml.Node) error {
	var s string
	if err := yamltext.Text(v, &s); err != nil || s == "" {
		return err
	}
	switch key {
	case "name":
		nameOrPattern(s, &r.Package, &r.PackagePattern)
	case "upstream-name":
		nameOrPattern(s, &r.Source, &r.SourcePattern)
	case "version":
		if strings.HasPrefix(s, "go1.") { // of Go's standard library
			s = strings.TrimPrefix(s, "go")
		}
		r.Versions = "= " + s
	case "location":
		if !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "**") {
			r.Inactive = "its location does not begin with a slash" // the paths of an image do
		}
		r.Paths = []string{s}
	case "type", "language":
		types := grypeTypes[key+":"+s]
		if len(types) == 0 {
			r.Inactive = fmt.Sprintf("%s %q is not supported", key, s)
		}
		if len(r.Types) > 0 {
			types = slices.DeleteFunc(slices.Clone(types), func(t string) bool { return !slices.Contains(r.Types, t) })
			if len(types) == 0 {
				r.Inactive = "its type is not one of its language"
			}
		}
		r.Types = types
	default:
		return yamltext.Unknown(key, v)
	}
	return nil
}

// nameOrPattern takes a name with a special character for a regular expression, as Grype
// does. A dot alone is not special.
func nameOrPattern(s string, name, pattern *string) {
	switch _, err := regexp.Compile("^" + s + "$"); {
	case err == nil && strings.Contains(s, "|"):
		// Grype adds the anchors without parentheses: each is that of one alternative.
		*pattern = "(?s:.*)(?:^" + s + "$)(?s:.*)"
	case strings.ContainsAny(s, `^$*+?[](){}|\`):
		*pattern = s
	default:
		*name = s
	}
}

// grypeTypes are the purl types of Grype's package types and languages.
var grypeTypes = map[string][]string{
	"type:apk": {"apk"}, "type:deb": {"deb"}, "type:rpm": {"rpm"}, "type:alpm": {"alpm"},
	"type:npm": {"npm"}, "type:python": {"pypi"}, "type:gem": {"gem"}, "type:java-archive": {"maven"},
	"type:jenkins-plugin": {"jenkins"}, "type:go-module": {"golang"}, "type:rust-crate": {"cargo"},
	"type:php-composer": {"composer"}, "type:dotnet": {"nuget"}, "type:conan": {"conan"}, "type:hex": {"hex"},
	"type:dart-pub": {"pub"}, "type:swift": {"swift"}, "type:hackage": {"hackage"}, "type:R-package": {"cran"},
	"type:github-action": {"githubactions"}, "type:wordpress-plugin": {"wordpress"}, "type:bitnami": {"bitnami"},
	"language:javascript": {"npm"}, "language:python": {"pypi"}, "language:ruby": {"gem"}, "language:java": {"maven", "jenkins"},
	"language:go": {"golang"}, "language:rust": {"cargo"}, "language:php": {"composer"}, "language:dotnet": {"nuget"},
	"language:dart": {"pub"}, "language:swift": {"swift"}, "language:haskell": {"hackage"}, "language:R": {"cran"},
	"language:erlang": {"hex"}, "language:elixir": {"hex"},
}
