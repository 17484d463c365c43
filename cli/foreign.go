package cli

import (
	"strings"

	ucli "github.com/urfave/cli/v2"
)

// What people type who know other scanners. Each entry says what does the same in
// assay: a flag that is translated is no advice to use it.

// foreign are flags of Trivy, Grype and others, by name.
var foreign = map[string]string{
	"severity":         "use --fail-on high to fail from a severity upwards",
	"exit-code":        "findings end with code 4 without any flag (docs/exit-codes.md)",
	"ignore-unfixed":   "findings without a fix do not fail here; --fail-on-unfixed makes them",
	"only-fixed":       "findings without a fix do not fail here; --fail-on-unfixed makes them",
	"ignore-states":    "exceptions belong to the service, not to the image",
	"ignorefile":       "exceptions belong to the service, not to the image",
	"ignore-policy":    "exceptions belong to the service, not to the image",
	"vex":              "exceptions belong to the service, not to the image",
	"input":            "assay reads a filesystem: --root DIR",
	"scanners":         "assay looks for vulnerable packages only",
	"security-checks":  "assay looks for vulnerable packages only",
	"vuln-type":        "assay looks at the packages of the system and of languages",
	"pkg-types":        "assay looks at the packages of the system and of languages",
	"o":                "write reports with --output json=FILE or --output text=FILE",
	"file":             "write reports with --output json=FILE or --output text=FILE",
	"f":                "print JSON with --format json, or write it with --output json=FILE",
	"t":                "there are two formats: --format text and --format json",
	"template":         "there are two formats: --format text and --format json",
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
	"platform":         "assay reads the filesystem that it runs in",
	"scope":            "assay reads the filesystem that it runs in",
	"cache-dir":        "assay keeps nothing: the data is at the service",
	"skip-db-update":   "assay has no data: the service has, and assayd update fetches it",
	"download-db-only": "assay has no data: the service has, and assayd update fetches it",
	"db-repository":    "assay has no data: the service has, and assayd update fetches it",
	"offline-scan":     "assay always needs the service",
	"username":         "assay reads no registry: it runs in the build, or with --root DIR",
	"password":         "assay reads no registry: it runs in the build, or with --root DIR",
}

const fromInside = "assay reads the filesystem that it runs in: RUN /assay in the Dockerfile; docs/patterns has more"

// foreignWords are the first words of other command lines, where assay expects
// the token.
var foreignWords = map[string]string{
	"image":      fromInside,
	"i":          fromInside,
	"scan":       "scanning needs no subcommand: assay [flags] [TOKEN]",
	"fs":         "assay --root DIR reads a tree",
	"filesystem": "assay --root DIR reads a tree",
	"rootfs":     "assay --root DIR reads a tree",
	"dir":        "assay --root DIR reads a tree",
	"repo":       "assay reads what is installed, not sources: assay --root DIR",
	"repository": "assay reads what is installed, not sources: assay --root DIR",
	"vm":         "assay --root DIR reads a mounted tree",
	"sbom":       "assay inventory prints CycloneDX; a document of another tool is sent with POST /api/v1/scans (docs/api.md)",
	"k8s":        fromInside,
	"kubernetes": fromInside,
	"config":     "assay looks for vulnerable packages only",
	"db":         "the data is at the service: assayd update, assayd status",
	"update":     "use assayd update",
	"import":     "use assayd import",
	"status":     "use assayd status",
	"explain":    "use assayd explain",
	"token":      "use assayd token create",
	"client":     "scanning needs no subcommand: assay [flags] [TOKEN]",
	"server":     "use assayd serve",
	"serve":      "use assayd serve",
}

// checkWord refuses the first word of another command line.
func checkWord(c *ucli.Context) error {
	word := c.Args().First()
	if hint, ok := foreignWords[word]; ok {
		return usage(hint, "unknown command %q", word)
	}
	// The name of an image or a path. It is not repeated: it could hold a secret.
	if strings.ContainsAny(word, ":/") {
		return usage("the only argument is the token: use --token-file FILE for a token file, --root DIR for a tree; assay takes no image name, it runs inside the build",
			"the argument is not a token")
	}
	return nil
}
