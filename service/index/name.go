package index

import "strings"

// NormalName returns the one spelling under which a package of the ecosystem is
// kept and looked up:
//
//   - PyPI: as PEP 503 has it, lower case and a hyphen for any run of ".-_".
//   - crates.io: lower case, "_" as "-", since Cargo keeps no two apart by them.
//   - Bitnami, GitHub Actions, NuGet, Packagist: lower case, as they do not tell
//     cases apart.
//   - Go: lower case, since the purl specification wants paths so and many tools
//     write them so, and no two modules differ by case alone; "!x" of the module
//     cache's escaping is "x".
//   - SwiftURL: lower case, without scheme and ".git".
//   - All others, npm and Maven among them: as it stands.
func NormalName(ecosystem, name string) string {
	for {
		vendor, rest, _ := strings.Cut(ecosystem, ":")
		if vendor != "Root" && vendor != "Seal" && vendor != "TuxCare" {
			ecosystem = vendor
			break
		}
		ecosystem = rest
	}
	switch ecosystem {
	case "PyPI":
		words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
			return r == '-' || r == '_' || r == '.'
		})
		return strings.Join(words, "-")
	case "crates.io":
		return strings.ReplaceAll(strings.ToLower(name), "_", "-")
	case "Bitnami", "GitHub Actions", "NuGet", "Packagist":
		return strings.ToLower(name)
	case "Go":
		return strings.ReplaceAll(strings.ToLower(name), "!", "")
	case "SwiftURL":
		name = strings.TrimPrefix(strings.ToLower(name), "https://")
		return strings.TrimSuffix(name, ".git")
	}
	return name
}
