package cli

import (
	"strings"

	ucli "github.com/urfave/cli/v2"
)

// People who know other scanners type flags and commands of those. The hints say how
// assay does the same. They translate and do not recommend.

// foreign has the hints for flags of Trivy, Grype and others, by name.
var foreign = map[string]string{
	"severity":         "use --fail-on high to fail from a severity upwards",
	"exit-code":        "findings always end with code 4 (docs/exit-codes.md)",
	"ignore-unfixed":   "findings without a fix do not fail; with --fail-on-unfixed they do",
	"only-fixed":       "findings without a fix do not fail; with --fail-on-unfixed they do",
	"ignore-states":    "findings without a fix do not fail; with --fail-on-unfixed they do",
	"ignorefile":       "use --ignore-file FILE, which also reads a .trivyignore",
	"ignore-policy":    "use --ignore-file FILE to accept findings",
	"input":            "assay scans a filesystem: --root DIR",
	"scanners":         "assay looks for vulnerable packages only",
	"security-checks":  "assay looks for vulnerable packages only",
	"vuln-type":        "assay always scans the packages of the system and of languages",
	"pkg-types":        "assay always scans the packages of the system and of languages",
	"o":                "write reports with --output FORMAT=FILE, such as --output json=FILE",
	"file":             "write reports with --output FORMAT=FILE, such as --output json=FILE",
	"f":                "print a report with --format FORMAT, or write it with --output FORMAT=FILE, such as --output json=FILE",
	"t":                "there are no templates; docs/reports.md lists the formats of --format and --output",
	"template":         "there are no templates; docs/reports.md lists the formats of --format and --output",
	"token":            "mount the token: RUN --mount=type=secret,id=assay_token; or name its file with --token-file FILE",
	"skip-dirs":        "use --skip DIR to leave out a directory",
	"exclude":          "use --skip DIR to leave out a directory",
	"skip-files":       "--skip DIR leaves out directories; single files cannot be skipped",
	"insecure":         "use --cacert FILE to trust the service's authority, or --no-verify to skip verification",
	"q":                "use --quiet",
	"debug":            "run assay doctor instead of the scan to see what it finds and uses",
	"list-all-pkgs":    "assay inventory prints all packages",
	"by-cve":           "findings are listed by CVE wherever there is one",
	"no-progress":      "progress is shown on a terminal only",
	"platform":         "assay scans the filesystem that it runs in",
	"scope":            "assay scans the filesystem that it runs in",
	"cache-dir":        "assay stores nothing: the service has the data",
	"skip-db-update":   "the service has the data: assayd update fetches it",
	"download-db-only": "the service has the data: assayd update fetches it",
	"db-repository":    "the service has the data: assayd update fetches it",
	"offline-scan":     "assay always needs the service",
	"username":         "assay uses no registry: run it in the build, or with --root DIR",
	"password":         "assay uses no registry: run it in the build, or with --root DIR",
}

const fromInside = "assay scans the filesystem that it runs in: RUN /assay in the Dockerfile; docs/patterns has examples"

// foreignWords has the hints for commands of other scanners, which people type where
// assay expects the token.
var foreignWords = map[string]string{
	"image":      fromInside,
	"i":          fromInside,
	"scan":       "scanning needs no subcommand: assay [flags] [TOKEN]",
	"fs":         "to scan a tree: assay --root DIR",
	"filesystem": "to scan a tree: assay --root DIR",
	"rootfs":     "to scan a tree: assay --root DIR",
	"dir":        "to scan a tree: assay --root DIR",
	"repo":       "assay scans installed packages, not sources: assay --root DIR",
	"repository": "assay scans installed packages, not sources: assay --root DIR",
	"vm":         "to scan a mounted tree: assay --root DIR",
	"sbom":       "assay inventory prints CycloneDX; send the document of another tool with POST /api/v1/scans (docs/api.md)",
	"k8s":        fromInside,
	"kubernetes": fromInside,
	"config":     "assay looks for vulnerable packages only",
	"db":         "the service has the data: assayd update, assayd status",
	"update":     "use assayd update",
	"import":     "use assayd import",
	"status":     "use assayd status",
	"explain":    "use assayd explain",
	"token":      "use assayd token create",
	"client":     "scanning needs no subcommand: assay [flags] [TOKEN]",
	"server":     "use assayd serve",
	"serve":      "use assayd serve",
}

// checkWord rejects a command of another scanner in place of the token.
func checkWord(c *ucli.Context) error {
	word := c.Args().First()
	if hint, ok := foreignWords[word]; ok {
		return usage(hint, "unknown command %q", word)
	}
	// This is the name of an image or a path. The error does not repeat it, because it
	// could contain a secret.
	if strings.ContainsAny(word, ":/") {
		return usage("the only argument is the token: use --token-file FILE for a token file, --root DIR for a tree; assay runs inside the build and takes no image name",
			"the argument is not a token")
	}
	return nil
}
