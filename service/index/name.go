package index

import "strings"

// NormalName returns the spelling under which a package of an ecosystem is indexed and
// looked up:
//
//   - PyPI: as in PEP 503, lower case and one hyphen for any run of ".-_".
//   - crates.io: lower case, and "-" for "_": Cargo does not allow two crates that differ
//     only by them.
//   - Bitnami, GitHub Actions, NuGet, Packagist, WordPress: lower case, since names are
//     not case sensitive.
//   - Go: lower case, because the purl specification requires it and many tools write it,
//     and no two modules differ by case alone. "!x" of the module cache's escaping is "x".
//   - Jenkins: "plugin/git" for Maven's coordinates "org.jenkins-ci.plugins:git", since
//     advisories name the artifact alone, and "core" for Jenkins itself.
//   - SwiftURL: lower case, without scheme and ".git".
//   - All others, including npm and Maven: unchanged.
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
	case "Bitnami", "GitHub Actions", "NuGet", "Packagist", "WordPress":
		return strings.ToLower(name)
	case "Go":
		return strings.ReplaceAll(strings.ToLower(name), "!", "")
	case "Jenkins":
		group, artifact, ok := strings.Cut(name, ":")
		switch {
		case !ok:
			return name
		case group == "org.jenkins-ci.main" && (artifact == "jenkins-core" || artifact == "jenkins-war"):
			return "core"
		}
		return "plugin/" + artifact
	case "SwiftURL":
		name = strings.TrimPrefix(strings.ToLower(name), "https://")
		return strings.TrimSuffix(name, ".git")
	}
	return name
}
