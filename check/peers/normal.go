package peers

import (
	"cmp"
	"strings"
)

// Normal returns the name and version of a package in one form for all tools: two
// spellings that mean the same in an ecosystem become equal. The name is empty for a Java
// archive without a group: such a name is a guess from the file name, and no advisory uses
// it.
func Normal(typ, name, version string) (string, string) {
	switch typ {
	case "pypi":
		words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '-' || r == '_' || r == '.' })
		name = strings.Join(words, "-")
	case "maven":
		if !strings.Contains(name, ":") {
			name = ""
		}
	case "composer":
		name, version = strings.ToLower(name), strings.TrimPrefix(version, "v")
	case "nuget":
		name = strings.ToLower(name)
	case "golang":
		version = strings.TrimPrefix(strings.TrimPrefix(version, "go"), "v")
		if version == "(devel)" {
			version = ""
		}
	}
	return name, cmp.Or(version, "none")
}
