package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
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
	if err := checkProject(project); r.Project != "" && err != nil {
		return Grant{}, fmt.Errorf("project %q: %w", r.Project, err)
	}
	return Grant{Rule: r.Name, Project: project, Scopes: slices.Clone(r.Scopes)}, nil
}

// lookUp returns the text of a claim, found by its name or, if the name begins with "/",
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

// maxProject bounds the bytes of a project.
const maxProject = 1000

// checkProject checks a project into which the claims were inserted. An empty project
// would not limit the token at all.
func checkProject(project string) error {
	switch {
	case project == "":
		return errors.New("the claims make it empty")
	case len(project) > maxProject:
		return fmt.Errorf("the claims make it longer than %d bytes", maxProject)
	case strings.ContainsFunc(project, unicode.IsControl):
		return errors.New("the claims put a control character into it")
	}
	return nil
}

// matches reports whether value matches pattern, in which "*" matches any characters
// except "/". It takes time in proportion to the product of both lengths.
func matches(pattern, value string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == value
	}
	ends := make([]bool, len(value)+1) // where what is before the star may end
	if strings.HasPrefix(value, parts[0]) {
		ends[len(parts[0])] = true
	}
	for _, part := range parts[1:] {
		next := make([]bool, len(value)+1)
		star := false // the star may reach to n
		for n := range ends {
			star = star || ends[n]
			if star && strings.HasPrefix(value[n:], part) {
				next[n+len(part)] = true
			}
			star = star && n < len(value) && value[n] != '/'
		}
		ends = next
	}
	return ends[len(value)]
}

// clip shortens untrusted text for a log line.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
