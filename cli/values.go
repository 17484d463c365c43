package cli

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"assay/verdict"
)

// maxText is the number of bytes that a project, ref or commit may have.
const maxText = 512

// checkDecided checks the value of an option that the service decides on by the
// rules of the service. It returns what the option takes, and "" for a valid
// value. A value that only the service refused would be lost with --on-error
// warn, together with the gate.
func checkDecided(name, value string) (takes string) {
	switch name {
	case "fail-on":
		return checkSeverity(value, "none")
	case "unrated":
		return checkSeverity(value)
	case "project", "ref", "commit":
		if len(value) > maxText || !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return fmt.Sprintf("at most %d bytes of printable text", maxText)
		}
		return ""
	}
	if _, err := strconv.ParseBool(value); err != nil {
		return "true or false"
	}
	return ""
}

func checkSeverity(value string, further ...string) string {
	var names []string
	for _, s := range verdict.Severities() {
		if s != verdict.Unrated {
			names = append(names, string(s))
		}
	}
	names = append(names, further...)
	if slices.Contains(names, strings.ToLower(value)) {
		return ""
	}
	return strings.Join(names, ", ")
}

// checkRoot refuses a --root that cannot be read, which is a mistake in the
// command line and not a scan that failed.
func checkRoot(root string) error {
	fi, err := os.Stat(root)
	switch {
	case err != nil:
		return usage("name the directory that holds the image's files", "--root: %v", err)
	case !fi.IsDir():
		return usage("name the directory that holds the image's files", "--root: %q is not a directory", root)
	}
	return nil
}
