package oidc

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// placeholder is "{claim}" in a project.
var placeholder = regexp.MustCompile(`\{([^{}]+)\}`)

// match returns what the rule grants, or the first claim that does not match.
func (r Rule) match(claims map[string]any) (Grant, error) {
	values := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(r.Claims)) {
		value, err := lookUp(claims, name)
		if err != nil {
			return Grant{}, err
		}
		patterns := r.Claims[name]
		if !slices.ContainsFunc(patterns, func(p string) bool { return matches(p, value) }) {
			return Grant{}, fmt.Errorf("claim %q is %q, want %q", name, clip(value), []string(patterns))
		}
		values[name] = value
	}
	project := placeholder.ReplaceAllStringFunc(r.Project, func(s string) string { return values[s[1:len(s)-1]] })
	return Grant{Rule: r.Name, Project: project, Scopes: slices.Clone(r.Scopes)}, nil
}

// lookUp returns the text of a claim: by its name or, where the name begins with "/",
// by a JSON pointer through objects.
func lookUp(claims map[string]any, name string) (string, error) {
	var value any = claims
	path := []string{name}
	if pointer, ok := strings.CutPrefix(name, "/"); ok {
		path = strings.Split(pointer, "/")
		for n, key := range path {
			path[n] = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
		}
	}
	for _, key := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return "", fmt.Errorf("claim %q is missing", name)
		}
		if value, ok = object[key]; !ok {
			return "", fmt.Errorf("claim %q is missing", name)
		}
	}
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case json.Number:
		return v.String(), nil
	}
	return "", fmt.Errorf("claim %q is neither a string nor a number nor a boolean", name)
}

// matches reports whether value matches pattern, in which "*" stands for any
// characters but "/".
func matches(pattern, value string) bool {
	first, rest, found := strings.Cut(pattern, "*")
	if !found {
		return pattern == value
	}
	value, ok := strings.CutPrefix(value, first)
	if !ok {
		return false
	}
	for n := 0; n <= len(value); n++ {
		if matches(rest, value[n:]) {
			return true
		}
		if n < len(value) && value[n] == '/' {
			return false
		}
	}
	return false
}

// clip shortens what a stranger wrote into a log line.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
